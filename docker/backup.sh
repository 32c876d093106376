#!/bin/sh
# backup.sh HOME FILE.tar.gz: a copy of what a home cannot make again, of a moment between batches.
set -eu
[ $# -eq 2 ] || { echo "usage: backup.sh HOME FILE.tar.gz" >&2; exit 2; }
home="$1"
archive="$2"
[ -d "$home/lake" ] || { echo "backup.sh: $home holds no lake" >&2; exit 1; }
copy="$(mktemp -d)"
trap 'rm -rf "$copy"' EXIT

# No batch and no ingest runs meanwhile: both hold these locks while they write.
exec 8>>"$home/batch.lock" 9>>"$home/lake.lock"
flock -w 7200 8 || { echo "backup.sh: a batch has been running for two hours" >&2; exit 1; }
flock -w 7200 9 || { echo "backup.sh: an ingest has been running for two hours" >&2; exit 1; }

# SQLite's own copy: a page that is being written would otherwise be torn.
if [ -f "$home/mlflow.db" ]; then
  python3 -c 'import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as a, sqlite3.connect(sys.argv[2]) as b: a.backup(b)' \
    "$home/mlflow.db" "$copy/mlflow.db"
fi
set --
for name in lake checksums runs artifacts batches outbox reports/latest home.json simulated_world.json tuned.toml champion.json published.json pseudonyms.json feature_set.json features.json; do
  if [ -e "$home/$name" ]; then set -- "$@" "$name"; fi
done
[ ! -f "$copy/mlflow.db" ] || set -- "$@" -C "$copy" mlflow.db
tar -czf "$archive.part" -C "$home" "$@"
mv "$archive.part" "$archive"
echo "$archive: $(du -h "$archive" | cut -f1)"
