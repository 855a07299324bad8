#!/bin/sh
# What a service of ours needs before it starts: Airflow's admin password as a file, the pretend shop's host key.
set -eu

if [ -n "${AIRFLOW_ADMIN_PASSWORD:-}" ]; then
  export AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE="$AIRFLOW_HOME/passwords.json"
  (umask 077; printf '{"admin": "%s"}' "$AIRFLOW_ADMIN_PASSWORD" > "$AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE")
fi

# The mock's key is made at its first start, so it cannot stand in .env; a real server's key must.
for name in EMAIL_SFTP_HOST_KEY UPLOADS_SFTP_HOST_KEY; do
  if [ "$(printenv "$name" || true)" = "of-the-mock" ]; then
    key=$(python /opt/headwater/docker/mock_host_key.py)
    export "$name=$key"
  fi
done

exec "$@"
