#!/usr/bin/env bash
# xmlsec1, openssl and @node-saml/node-saml judge responses and messages of sign-out that our
# own code signs. Needs xmlsec1, openssl, node and npm; says so if one is missing. Called by tests/run.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."

for tool in xmlsec1:xmlsec1 openssl:openssl node:nodejs npm:npm; do
  command -v "${tool%%:*}" >/dev/null || { echo "missing: apt-get install ${tool##*:}" >&2; exit 1; }
done

# Outside the source tree, so that nothing of it is ever committed.
modules=target/tools/node-saml
mkdir -p "$modules"
cp tests/tools/package.json tests/tools/node-saml.js tests/tools/node-saml-logout.js "$modules/"
if ! (cd "$modules" && npm ls --omit=dev >/dev/null 2>&1); then
  (cd "$modules" && npm install --omit=dev --no-package-lock --no-audit --no-fund --loglevel=error)
fi
CLAIMBRIDGE_NODE_SAML=$(realpath "$modules") cargo test --locked --quiet --test tools -- verdicts:: logout::
