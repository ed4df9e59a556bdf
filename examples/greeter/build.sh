#!/bin/sh
# Builds web.wasm and greeter.wasm beside the manifest.
set -eu
cd "$(dirname "$0")"
. ../components.sh
components web greeter
