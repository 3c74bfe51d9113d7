#!/bin/sh
# Debian's Postgres behind the variables of the official image that docker/compose.yaml uses; for tests without a registry.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	initdb --encoding=UTF8 --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth=scram-sha-256 --pgdata="$PGDATA"
	echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
	echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -D "$PGDATA" postgres
fi
exec postgres -D "$PGDATA" -c listen_addresses='*'
