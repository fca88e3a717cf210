#!/usr/bin/env bash
# What is in deploy/ works: the unit, the container, the proxies, the manifests, the guide.
# Needs root (namespaces, root folders) and a program that is built; see machine.py.
#
#   tests/deploy/run.sh            all of it
#   tests/deploy/run.sh service    one of it
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(id -u)" -eq 0 ] || { echo "namespaces and root folders are made by root: run this as root"; exit 1; }
# Debian's Python, which has its seccomp and YAML; nothing of the caller's.
python=(/usr/bin/env -u PYTHONPATH -u PYTHONHOME PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3)

unit() {
  local file=deploy/systemd/claimbridge.service copy
  # systemd's own judgement of what an attacker could reach: 0 nothing, 10 everything. Two are
  # promised; it is less, and one line that is lost shall be noticed.
  exposure "$file" 1.2 || return 1
  copy=$(mktemp -d)
  # `verify` wants programs that are there.
  sed 's#/usr/local/bin/claimbridge#/bin/true#' "$file" >"$copy/claimbridge.service"
  mkdir "$copy/claimbridge.service.d"
  cp deploy/systemd/port-443.conf "$copy/claimbridge.service.d/"
  SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no "$copy/claimbridge.service" 2>"$copy/said" ||
    { cat "$copy/said"; return 1; }
  ! grep -i "claimbridge" "$copy/said" || { echo "systemd-analyze verify complains"; return 1; }
  # The drop-in gives back what a low port needs, and no more.
  cat deploy/systemd/port-443.conf >>"$copy/claimbridge.service"
  exposure "$copy/claimbridge.service" 1.6 || return 1
  rm -rf "$copy"
  echo "  every line is known to systemd"
}

# exposure UNIT MOST
exposure() {
  local level
  level=$(systemd-analyze security --offline=true --no-pager "$1" |
    sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\).*/\1/p')
  [ -n "$level" ] || { echo "systemd-analyze said no level"; return 1; }
  awk -v level="$level" -v most="$2" 'BEGIN { exit !(level <= most) }' ||
    { echo "exposure $level of $1, more than $2"; return 1; }
  echo "  exposure $level of 10"
}

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(unit service container manifests proxies guide)
for part in "${parts[@]}"; do
  echo "── $part"
  if [ "$part" = unit ]; then unit; else "${python[@]}" "tests/deploy/$part.py"; fi
done
