#!/usr/bin/env bash
# Time and peak memory of `oath import` of 100,000 tokens on SQLite (release build), into
# stock and handed to people. Aims: 20 s on two cores and 100 MiB; fails beyond twice that.
# The first argument is another binary to measure.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=${1:-$PWD/target/release/claimbridge}
[ -x "$binary" ] || cargo build --locked --release --quiet
TOKENS=${TOKENS:-100000}
AIM_S=20
AIM_KIB=$((100 * 1024))

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run() { env -i PATH="$PATH" HOME="$work" "$binary" --config "$work/claimbridge.toml" "$@"; }

run init --public-url "http://localhost:8080" >/dev/null
run migrate >/dev/null
run domain add contoso.com >/dev/null
run user add agent1@contoso.com --name "Agent One" >/dev/null

# Twenty bytes each, in base32; the serial number makes them differ.
awk -v tokens="$TOKENS" 'BEGIN {
  letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
  srand(1)
  print "upn,serial number,secret key,time interval,manufacturer,model"
  for (token = 1; token <= tokens; token++) {
    secret = ""
    for (at = 0; at < 32; at++) secret = secret substr(letters, 1 + int(rand() * 32), 1)
    printf "agent1@contoso.com,26%011d,%s,30,Contoso,HardwareKey\n", token, secret
  }
}' >"$work/tokens.csv"

begin=$(date +%s%N)
env -i PATH="$PATH" HOME="$work" "$binary" --config "$work/claimbridge.toml" \
  oath import "$work/tokens.csv" --json >"$work/answer" &
import=$!
kib=0
while kill -0 "$import" 2>/dev/null; do
  seen=$(awk '/^VmHWM:/ {print $2}' "/proc/$import/status" 2>/dev/null || true)
  [ -z "$seen" ] || kib=$seen
  sleep 0.05
done
wait "$import"
ms=$((($(date +%s%N) - begin) / 1000000))
grep -q "\"imported\":$TOKENS" "$work/answer" || { cat "$work/answer"; exit 1; }

echo "NOTE   $TOKENS tokens in $((ms / 1000)).$(printf %03d $((ms % 1000))) s (aim $AIM_S s), peak $((kib / 1024)) MiB (aim $((AIM_KIB / 1024)))"
[ "$ms" -le $((2 * AIM_S * 1000)) ] || { echo "more than twice the aim in time"; exit 1; }
[ "$kib" -le $((2 * AIM_KIB)) ] || { echo "more than twice the aim in memory"; exit 1; }
