#!/bin/sh
# Creates your own certificate authority, and with it a certificate for each program of examples/tls, using openssl:
#
#   examples/make-demo-certificates.sh [FOLDER]
#
# The default FOLDER is /tmp/herald-demo/tls, which examples/tls uses. A second run creates new certificates of the same
# authority; running programs load them. The authority's key, ca.key, is needed for nothing else: keep it elsewhere.
set -eu

folder=${1:-/tmp/herald-demo/tls}
mkdir -p "$folder"
cd "$folder"
umask 077

if [ ! -e ca.key ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
        -subj "/CN=Herald demo authority" -keyout ca.key -out ca.crt 2>/dev/null
fi

# NAME, and its subject alternative names: the names and addresses by which others reach it.
issue() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key.new" -out "$1.csr" 2>/dev/null
    printf 'basicConstraints = CA:FALSE\nextendedKeyUsage = serverAuth, clientAuth\nsubjectAltName = %s\n' "$2" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 90 -extfile "$1.ext" -out "$1.crt.new" 2>/dev/null
    mv "$1.key.new" "$1.key"
    mv "$1.crt.new" "$1.crt"
    rm "$1.csr" "$1.ext"
}
issue heraldd "DNS:localhost, IP:127.0.0.1"
issue runner "DNS:localhost, IP:127.0.0.1"
echo "$folder"
