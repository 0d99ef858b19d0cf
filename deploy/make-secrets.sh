#!/bin/sh
# Makes the secrets of docker-compose.yml once, in deploy/secrets/; never overwrites one.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
chmod 700 secrets
umask 077
random() { head -c "$1" /dev/urandom; }
# the container's account must read them; Compose mounts files as they are
[ -e secrets/postgres_password ] || random 24 | od -An -tx1 | tr -d ' \n' > secrets/postgres_password
[ -e secrets/database_url ] || printf 'postgres://kilim:%s@postgres:5432/kilim' "$(cat secrets/postgres_password)" > secrets/database_url
[ -e secrets/master_key ] || random 32 | base64 > secrets/master_key
if [ ! -e secrets/seed.json ]; then
  password=$(random 12 | od -An -tx1 | tr -d ' \n')
  printf '{ "tenant": "%s", "users": [{ "username": "admin", "password": "%s", "admin": true }], "systems": [], "apps": [], "credentials": [], "profiles": [] }\n' \
    "${KILIM_TENANT:-dev}" "$password" > secrets/seed.json
fi
chmod 444 secrets/*
echo "The secrets are in $(pwd)/secrets, the password of the user admin in seed.json; keep a copy of master_key: without it the store's credentials cannot be read."
