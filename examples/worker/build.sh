#!/bin/sh
# Builds worker.wasm beside the manifest.
set -eu
cd "$(dirname "$0")"
. ../components.sh
components worker
