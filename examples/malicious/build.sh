#!/bin/sh
# Builds page.wasm and stats.wasm beside the manifest.
set -eu
cd "$(dirname "$0")"
. ../components.sh
components page stats
