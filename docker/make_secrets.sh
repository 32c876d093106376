#!/bin/sh
# Writes docker/secrets/ with fresh random secrets; leaves alone what is there already.
# The pseudonym key is `none`: decide on it before the first ingest (docs/security.md).
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
fresh() { [ -e "secrets/$1" ] || python3 -c 'import secrets; print(secrets.token_hex(24))' > "secrets/$1"; }
fresh postgres_password
fresh mlflow_flask_key
fresh mlflow_password
for name in pseudonym_key webhook; do [ -e "secrets/$name" ] || echo none > "secrets/$name"; done
[ -e secrets/mlflow_auth.ini ] || cat > secrets/mlflow_auth.ini <<INI
[mlflow]
default_permission = READ
database_uri = postgresql+psycopg2://stayrank:$(cat secrets/postgres_password)@postgres/mlflow_auth
admin_username = admin
admin_password = $(cat secrets/mlflow_password)
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
INI
# The containers' user reads them; nobody else does.
chmod 0444 secrets/*
chmod 0711 secrets
