#!/usr/bin/env bash
# Microsoft's own library (MSAL for Python) finds our WS-Trust door by its description and gets a
# token there, and xmlsec1 verifies it. Needs python3 with venv, openssl and xmlsec1; says so if
# one is missing. Called by tests/run.sh. Nothing leaves this machine but what pip installs.
set -euo pipefail
cd "$(dirname "$0")/../.."

for tool in python3:python3 openssl:openssl xmlsec1:xmlsec1; do
  command -v "${tool%%:*}" >/dev/null || { echo "missing: apt-get install ${tool##*:}" >&2; exit 1; }
done

# Outside the source tree, so that nothing of it is ever committed.
venv=target/tools/msal
if ! "$venv/bin/python" -c 'import msal, sys; sys.exit(msal.__version__ != "1.39.0")' 2>/dev/null; then
  rm -rf "$venv"
  python3 -m venv "$venv" || { echo "missing: apt-get install python3-venv" >&2; exit 1; }
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check 'msal==1.39.0'
fi
cargo build --locked --quiet --bin claimbridge
"$venv/bin/python" tests/tools/trust.py target/debug/claimbridge
