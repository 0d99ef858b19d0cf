#!/bin/sh
# Secrets come as files; the programs read an environment. `exec`: the program gets the container's signals.
set -eu
if [ -z "${DATABASE_URL:-}" ] && [ -r /run/secrets/database_url ]; then
  DATABASE_URL=$(cat /run/secrets/database_url)
  export DATABASE_URL
fi
exec node bin/kilim "$@"
