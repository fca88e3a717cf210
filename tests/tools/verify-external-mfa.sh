#!/usr/bin/env bash
# openid-client and jose judge what the External MFA door of a running demo publishes and sends.
# Needs node and npm; says so if one is missing. Called by tests/run.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."

for tool in node:nodejs npm:npm; do
  command -v "${tool%%:*}" >/dev/null || { echo "missing: apt-get install ${tool##*:}" >&2; exit 1; }
done

# Outside the source tree, so that nothing of it is ever committed.
modules=target/tools/external-mfa
mkdir -p "$modules"
cp tests/tools/external_mfa/package.json tests/tools/external_mfa/client.js "$modules/"
if ! (cd "$modules" && npm ls --omit=dev >/dev/null 2>&1); then
  (cd "$modules" && npm install --omit=dev --no-package-lock --no-audit --no-fund --loglevel=error)
fi
CLAIMBRIDGE_EXTERNAL_MFA_CLIENT=$(realpath "$modules") cargo test --locked --quiet --test tools external_mfa::
