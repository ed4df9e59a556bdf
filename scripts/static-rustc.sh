#!/bin/sh
# Cargo's RUSTC_WORKSPACE_WRAPPER of `scripts/images.sh`: links what runs in containers statically. For the programs alone, so that
# everything they depend on is the same as in any other build, and is not compiled a second time.
case " $* " in
*" --crate-name shoal_operator "* | *" --crate-name shoal_installer "*) exec "$@" -C target-feature=+crt-static ;;
*) exec "$@" ;;
esac
