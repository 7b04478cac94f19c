#!/bin/sh
# Makes the secrets of compose.yaml once; those that are there stay. Readable by their owner and the containers' group.
set -eu
umask 027
cd "$(dirname "$0")"
mkdir -p secrets
secret() { test -s "secrets/$1" || printf '%s' "$2" > "secrets/$1"; }
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
secret database_password "$(random)"
secret database_url "postgresql://healix:$(cat secrets/database_password)@database/healix"
secret blob_secret_key "$(random)"
secret store_keys.json '{"identities":[{"name":"healix","credentials":[{"accessKey":"healix","secretKey":"'"$(cat secrets/blob_secret_key)"'"}],"actions":["Read","Write","List"]}]}'
chgrp -R 10001 secrets 2>/dev/null || echo "run this as root, or: chgrp -R 10001 secrets" >&2
