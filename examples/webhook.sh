#!/usr/bin/env bash
# Verifies webhooks of oncekey, with bash and openssl, as a CGI program of any web server (RFC 3875): webhook.sh
# It fits Apache with mod_cgi, lighttpd, nginx with fcgiwrap. The secret is ONCEKEY_WEBHOOK_SECRET.
set -euo pipefail
secret=${ONCEKEY_WEBHOOK_SECRET:?is not set: the whsec_... of the endpoint}
id=${HTTP_WEBHOOK_ID:-} timestamp=${HTTP_WEBHOOK_TIMESTAMP:-} signatures=${HTTP_WEBHOOK_SIGNATURE:-}

respond() { # STATUS
  printf 'Status: %s\r\nContent-Length: 0\r\n\r\n' "$1"
  exit 0
}

# The bytes as they came: $(...) would cut off line ends. What is longer has another signature.
body=$(head -c 100000 && printf x)
body=${body%x}

[[ $timestamp =~ ^[1-9][0-9]{0,11}$ ]] || respond '401 Unauthorized'
age=$(($(date +%s) - timestamp))
((age <= 300 && age >= -300)) || respond '401 Unauthorized'

# While openssl runs, other users of this machine can see the secret in the list of processes.
key=$(printf %s "${secret#whsec_}" | base64 -d | od -An -v -tx1 | tr -d ' \n')
expected=$(printf '%s.%s.%s' "$id" "$timestamp" "$body" |
  openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64)

# Bash compares in more time the more is equal: what it compares here tells nothing about the signature.
random=$(openssl rand -hex 32)
mixed() { printf %s "$1" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$random" -r; }
for signature in $signatures; do
  if [[ $signature == v1,* && $(mixed "${signature#v1,}") == "$(mixed "$expected")" ]]; then
    # Do each id once: an event may come again. Keep the id together with what you do, and work after the response.
    [[ $body =~ \"type\":\"([a-z_.]+)\" ]] && echo "${BASH_REMATCH[1]} $id" >&2
    respond '204 No Content'
  fi
done
respond '401 Unauthorized'
