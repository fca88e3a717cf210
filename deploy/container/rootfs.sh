#!/bin/sh
# Puts a program and what it needs to run into an empty folder: a root file system.
#   rootfs.sh PROGRAM FOLDER
# Run where the program was built, so that the libraries are those it was linked with.
set -eu
program=$1
root=$2
mkdir -p "$root/usr/local/bin" "$root/etc/ssl/certs" "$root/etc/claimbridge" "$root/var/lib/claimbridge" "$root/tmp"

install -m 755 "$program" "$root/usr/local/bin/claimbridge"
# Each library under the path at which the loader looks for it; the loader itself too.
ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
# Names of hosts are looked up by libraries that the program does not name.
for library in libnss_dns.so.2 libnss_files.so.2 libresolv.so.2; do
  found=$(ldconfig -p | awk -v name="$library" '$1 == name { print $NF; exit }')
  [ -z "$found" ] || { mkdir -p "$root$(dirname "$found")"; cp -L "$found" "$root$found"; }
done
echo "hosts: files dns" >"$root/etc/nsswitch.conf"

cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
echo "claimbridge:x:65532:65532:claimbridge:/var/lib/claimbridge:/nonexistent" >"$root/etc/passwd"
echo "claimbridge:x:65532:" >"$root/etc/group"
chown 65532:65532 "$root/var/lib/claimbridge"
chmod 700 "$root/var/lib/claimbridge"
chmod 1777 "$root/tmp"
