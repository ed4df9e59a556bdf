#!/bin/sh
# Builds counter.wasm beside the manifest.
set -eu
cd "$(dirname "$0")"
. ../components.sh
components counter
