#!/bin/sh
# restore.sh FILE.tar.gz HOME: a home as it was backed up; HOME must not hold a lake yet.
set -eu
[ $# -eq 2 ] || { echo "usage: restore.sh FILE.tar.gz HOME" >&2; exit 2; }
archive="$1"
home="$2"
[ ! -e "$home/lake" ] || { echo "restore.sh: $home holds a lake; move it away first" >&2; exit 1; }
tar -tzf "$archive" >/dev/null || { echo "restore.sh: $archive is damaged" >&2; exit 1; }
mkdir -p "$home"
tar -xzf "$archive" -C "$home"
echo "$home: restored; where it lies elsewhere than before, the first command rewrites its records"
