#!/usr/bin/env bash
# oathtool (OATH Toolkit) makes the codes that we make. Needs oathtool; says so if it is
# missing. Called by tests/run.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."

command -v oathtool >/dev/null || { echo "missing: apt-get install oathtool" >&2; exit 1; }
cargo test --locked --quiet --test tools codes::
