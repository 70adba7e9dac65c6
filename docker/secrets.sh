#!/bin/sh
# Random secrets for compose.yaml, in docker/secrets. What is there stays.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
for name in postgres_password objects_secret admin_password webhook_secret; do
    # Readable in the container, where nobody is root; the folder keeps others of this machine out.
    [ -s "secrets/$name" ] || (umask 022 && head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"secrets/$name")
done
# Until somebody else trains, the administrator does.
[ -s secrets/user_password ] || cp secrets/admin_password secrets/user_password
chmod 700 secrets
