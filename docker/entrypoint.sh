#!/bin/sh
# Secrets from files, as Docker and Kubernetes hand them over: of NAME_FILE, where it is set, the content becomes
# NAME. Then the command runs in place of this shell, so that it gets the signals.
set -eu
for name in AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY MLFLOW_AUTH_ADMIN_PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY \
    MLFLOW_TRACKING_PASSWORD PGPASSWORD; do
    eval "file=\${${name}_FILE:-}"
    if [ -n "$file" ]; then
        if ! value=$(cat "$file"); then
            echo "shashlik: ${name}_FILE=$file cannot be read" >&2
            exit 2
        fi
        export "$name=$value"
    fi
done
exec "$@"
