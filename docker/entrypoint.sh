#!/bin/sh
# Reads every NAME_FILE into NAME, so that secrets come as files and stand in no image and no
# `docker inspect`; refuses one that is missing, unreadable or empty; and puts the databases'
# addresses together from their passwords.
set -eu

refuse() { echo "entrypoint: $1" >&2; exit 2; }

for name in POSTGRES_PASSWORD STAYRANK_PSEUDONYM_KEY STAYRANK_WEBHOOK MLFLOW_FLASK_SERVER_SECRET_KEY \
    MLFLOW_TRACKING_PASSWORD; do
  eval "file=\${${name}_FILE:-}"
  [ -n "$file" ] || continue
  if [ ! -f "$file" ] || [ ! -r "$file" ]; then
    refuse "${name}_FILE: the file $file is missing or cannot be read by user $(id -u); it belongs to its owner alone (docker/README.md)"
  fi
  value="$(cat "$file")"
  # An empty key would store guests as they came.
  [ -n "$value" ] || refuse "${name}_FILE: the file $file is empty; write the secret into it, or the word none"
  [ "$value" = none ] || export "$name=$value"
done

# A password may hold anything; in an address / ? # @ : % and the like have a meaning.
encoded() {
  python3 -c 'import os, sys, urllib.parse as u; print(u.quote(os.environ[sys.argv[1]], safe=""))' "$1"
}

if [ -n "${POSTGRES_PASSWORD:-}" ]; then
  export POSTGRES_USER="${POSTGRES_USER:-stayrank}"
  at="$(encoded POSTGRES_USER):$(encoded POSTGRES_PASSWORD)@${POSTGRES_HOST:-postgres}:${POSTGRES_PORT:-5432}"
  export PREFECT_API_DATABASE_CONNECTION_URL="${PREFECT_API_DATABASE_CONNECTION_URL:-postgresql+asyncpg://$at/prefect}"
  export MLFLOW_BACKEND_STORE_URI="${MLFLOW_BACKEND_STORE_URI:-postgresql+psycopg2://$at/mlflow}"
fi

case "${1:-}" in
  worker)
    # What arrives is moved away when it is taken in. Docker makes a missing folder as root.
    inbox="${STAYRANK_HOME:?}/inbox"
    if [ -d "$inbox" ] && [ ! -w "$inbox" ]; then
      refuse "user $(id -u) cannot write into $inbox; docker/make_secrets.sh makes the folder and its owner (docker/README.md)"
    fi
    # The pool and its queues first: a limit that does not exist would be skipped.
    until prefect work-pool create stayrank --type process --overwrite; do sleep 3; done
    prefect work-queue create scheduled --pool stayrank --limit 2 --priority 1 || true
    prefect work-queue create backfill --pool stayrank --limit 1 --priority 2 || true
    prefect gcl create stayrank-backfill --limit 1 || true
    prefect --no-prompt deploy --all
    exec prefect worker start --pool stayrank --type process --with-healthcheck
    ;;
  prefect-server)
    exec prefect server start --host "${LISTEN:-0.0.0.0}" --port "${PREFECT_SERVER_API_PORT:-4200}"
    ;;
  mlflow-server)
    set -- mlflow server --host "${LISTEN:-0.0.0.0}" --port "${MLFLOW_PORT:-5000}" --workers "${MLFLOW_WORKERS:-2}" \
      --serve-artifacts --artifacts-destination "${MLFLOW_ARTIFACTS_DESTINATION:-/stayrank/artifacts}" \
      --allowed-hosts "${MLFLOW_SERVER_ALLOWED_HOSTS:-mlflow,mlflow:5000,localhost,localhost:5000,127.0.0.1,127.0.0.1:5000}"
    # Exposed beyond loopback, MLflow asks for a name and a password unless told not to.
    case "${STAYRANK_BIND:-127.0.0.1}" in
      127.0.0.1 | ::1 | localhost) auth="${MLFLOW_AUTH:-off}" ;;
      *) auth="${MLFLOW_AUTH:-on}" ;;
    esac
    if [ "$auth" != "off" ]; then
      if [ -n "${MLFLOW_AUTH_CONFIG_PATH:-}" ] && [ ! -r "$MLFLOW_AUTH_CONFIG_PATH" ]; then
        refuse "MLFLOW_AUTH_CONFIG_PATH: the file $MLFLOW_AUTH_CONFIG_PATH cannot be read by user $(id -u)"
      fi
      set -- "$@" --app-name basic-auth
    fi
    exec "$@"
    ;;
esac
exec "$@"
