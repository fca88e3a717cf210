#!/usr/bin/env bash
# The question before a change, on a terminal. Needs script (util-linux); says so if it is missing.
# Called by tests/run.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."

command -v script >/dev/null || { echo "missing: apt-get install bsdutils" >&2; exit 1; }
cargo test --locked --quiet --test tools question::
