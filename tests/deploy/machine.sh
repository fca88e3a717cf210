#!/usr/bin/env bash
# A bare Debian machine as a folder: target/tools/debian-SUITE, made once by debootstrap and
# then copied by whoever wants one. Prints its path.
set -euo pipefail
cd "$(dirname "$0")/../.."
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
packages=ca-certificates,curl,jq,nginx-light,openssl,sqlite3,systemd
folder=$PWD/target/tools/debian-$suite
if [ ! -e "$folder/made-with-$packages" ]; then
  [ "$(id -u)" -eq 0 ] || { echo "a root folder is made by root: run this as root" >&2; exit 1; }
  rm -rf "$folder"
  # From where this machine has its own packages.
  mirror=$(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v suite="$suite" '$1 == suite && $2 == "main" { print $3; exit }')
  debootstrap --variant=minbase --include="$packages" "$suite" "$folder" ${mirror:+"$mirror"} >&2
  rm -rf "$folder"/var/cache/apt/archives/*.deb "$folder"/var/lib/apt/lists/*
  touch "$folder/made-with-$packages"
fi
echo "$folder"
