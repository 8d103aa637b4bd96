#!/bin/sh
# Makes one authority, and certificates of it for the servers and both brokers, in the folder that is given.
# Names and addresses under which machines reach the brokers stand behind it.
set -eu
folder=${1:?a folder for the certificates}
shift
umask 077
mkdir -p "$folder"
cd "$folder"

if [ ! -e ca.key ]; then
  openssl ecparam -genkey -name prime256v1 -noout -out ca.key
  openssl req -x509 -new -key ca.key -sha256 -days 3650 -subj "/CN=Peerline team CA" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" -out ca.pem
fi

# make NAME HOST...
make() {
  name=$1
  shift
  alternatives="DNS:localhost,IP:127.0.0.1"
  for host in "$@"; do
    case $host in
    *[!0-9.]*) alternatives="$alternatives,DNS:$host" ;;
    *) alternatives="$alternatives,IP:$host" ;;
    esac
  done
  openssl ecparam -genkey -name prime256v1 -noout -out "$name.key"
  openssl req -new -key "$name.key" -subj "/CN=$name" -out "$name.csr"
  printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=%s\n' \
    "$alternatives" >"$name.ext"
  openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -sha256 -days 365 \
    -extfile "$name.ext" -out "$name.crt"
  # With the authority's own, by which machines know both brokers.
  cat "$name.crt" ca.pem >"$name.pem"
  rm "$name.csr" "$name.ext" "$name.crt"
}

make nats nats-1 nats-2 nats-3
make broker-a broker-a "$@"
make broker-b broker-b "$@"
