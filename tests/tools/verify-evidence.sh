#!/usr/bin/env bash
# unzip opens a bundle of evidence, and the commands of its README.txt verify it. Needs unzip and
# openssl; says so if one is missing. Called by tests/run.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."

for tool in unzip openssl sha256sum sed; do
  command -v "$tool" >/dev/null || { echo "missing: apt-get install $tool" >&2; exit 1; }
done
cargo test --locked --quiet --test tools evidence::
