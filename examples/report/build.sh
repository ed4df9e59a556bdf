#!/bin/sh
# Builds till.wasm and report.wasm beside the manifest.
set -eu
cd "$(dirname "$0")"
. ../components.sh
components till report
