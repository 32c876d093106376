#!/bin/sh
# Writes secrets/ with fresh random secrets, readable by their owner alone, and makes the folder
# inbox/; leaves alone what is there already. Beside this file, or in the folder that is given.
# The pseudonym key is `none`: decide on it before the first ingest (docs/security.md).
#
# The owner is the user that the containers run as: as root 10001, which is the image's own;
# otherwise whoever calls this, which .env then tells compose.
set -eu
cd "${1:-$(dirname "$0")}"
umask 077
mkdir -p secrets inbox
fresh() { [ -s "secrets/$1" ] || python3 -c 'import secrets; print(secrets.token_hex(24))' > "secrets/$1"; }
fresh postgres_password
fresh mlflow_flask_key
fresh mlflow_password
for name in pseudonym_key webhook; do [ -s "secrets/$name" ] || echo none > "secrets/$name"; done
# Whoever writes a password of their own: it is encoded for the address, and % doubled for the ini.
[ -s secrets/mlflow_auth.ini ] || python3 - > secrets/mlflow_auth.ini <<'PYTHON'
from pathlib import Path
from urllib.parse import quote

def secret(name):
    return Path("secrets", name).read_text().rstrip("\r\n")

address = f"postgresql+psycopg2://stayrank:{quote(secret('postgres_password'), safe='')}@postgres/mlflow_auth"
print("[mlflow]")
print("default_permission = READ")
print("database_uri =", address.replace("%", "%%"))
print("admin_username = admin")
print("admin_password =", secret("mlflow_password").replace("%", "%%"))
print("authorization_function = mlflow.server.auth:authenticate_request_basic_auth")
PYTHON
# Also those that an earlier version of this script left readable by everybody.
chmod 0700 secrets
chmod 0600 secrets/*
# Deliverers write here; what is new belongs to the folder's group.
chmod 2770 inbox
if [ "$(id -u)" -eq 0 ]; then
  chown -R 10001:10001 secrets inbox
elif [ ! -e .env ]; then
  printf 'STAYRANK_UID=%s\n' "$(id -u)" > .env
fi
