#!/bin/sh
# Run once by the Postgres image, when its data directory is empty.
set -eu
psql --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" --set=ON_ERROR_STOP=1 \
    --set=owner_password="$POSTGRES_OWNER_PASSWORD" \
    --set=daemon_password="$POSTGRES_DAEMON_PASSWORD" \
    --file=/opt/dovvybuddy/roles.sql
