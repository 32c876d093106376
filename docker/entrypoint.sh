#!/bin/sh
# Reads every NAME_FILE into NAME, so that secrets come as files and stand in no image and
# no `docker inspect`, refuses one that cannot be read, and puts the databases' addresses together from their passwords.
set -eu

for name in POSTGRES_PASSWORD STAYRANK_PSEUDONYM_KEY STAYRANK_WEBHOOK MLFLOW_FLASK_SERVER_SECRET_KEY \
    MLFLOW_TRACKING_PASSWORD; do
  eval "file=\${${name}_FILE:-}"
  [ -n "$file" ] || continue
  if [ ! -f "$file" ] || [ ! -r "$file" ]; then
    echo "${name}_FILE: the file $file is missing or cannot be read" >&2
    exit 2
  fi
  value="$(cat "$file")"
  # An empty key would store guests as they came; stayrank itself refuses the empty file.
  [ -z "$value" ] || [ "$value" = none ] || export "$name=$value"
done

if [ -n "${POSTGRES_PASSWORD:-}" ]; then
  host="${POSTGRES_HOST:-postgres}:${POSTGRES_PORT:-5432}"
  user="${POSTGRES_USER:-stayrank}"
  export PREFECT_API_DATABASE_CONNECTION_URL="${PREFECT_API_DATABASE_CONNECTION_URL:-postgresql+asyncpg://$user:$POSTGRES_PASSWORD@$host/prefect}"
  export MLFLOW_BACKEND_STORE_URI="${MLFLOW_BACKEND_STORE_URI:-postgresql+psycopg2://$user:$POSTGRES_PASSWORD@$host/mlflow}"
fi

case "${1:-}" in
  worker)
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
    [ "$auth" = "off" ] || set -- "$@" --app-name basic-auth
    exec "$@"
    ;;
esac
exec "$@"
