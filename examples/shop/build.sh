#!/bin/sh
# Builds the three components with `shoal build`: of the PATH, or the one that SHOAL names. The tools of JavaScript and Python are those
# that `scripts/setup.sh templates` has put into the cache, or, where node_modules and .venv are in their folders, these.
set -eu
cd "$(dirname "$0")"
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
tools=${SHOAL_DEV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shoal}/tools
export CARGO_TARGET_DIR

if [ -d "$tools" ]; then
    [ -e prices/node_modules ] || ln -sfn "$tools/javascript/node_modules" prices/node_modules
    VIRTUAL_ENV=${VIRTUAL_ENV:-$tools/python}
    export VIRTUAL_ENV
fi
"${SHOAL:-shoal}" build shoal.yaml
