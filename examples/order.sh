#!/usr/bin/env bash
# Places an order once and looks it up, with bash, curl and openssl: order.sh [KEY]
set -euo pipefail
url=${ONCEKEY_URL:-http://127.0.0.1:8080} client=${ONCEKEY_CLIENT:-default} secret=${ONCEKEY_SECRET:-super-secret-key}
key=${1:-$(openssl rand -hex 16)}
headers=$(mktemp) received=$(mktemp)
trap 'rm -f "$headers" "$received"' EXIT

# While openssl runs, other users of this machine can see the secret in the list of processes.
signature() { # METHOD TARGET KEY BODY
  local t hash
  t=$(date +%s)
  hash=$(printf %s "$4" | openssl dgst -sha256 -r | cut -d' ' -f1)
  printf 't=%s,v1=%s' "$t" "$(printf 'v1\n%s\n%s\n%s\n%s\n%s\n%s' "$t" "$1" "$2" "$client" "$3" "$hash" |
    openssl dgst -sha256 -mac HMAC -macopt "key:$secret" -r | cut -d' ' -f1)"
}

# Sends the same key and the same bytes until there is a final response; each attempt is signed anew.
send() { # METHOD TARGET [KEY BODY]
  local method=$1 target=$2 key=${3:-} body=${4:-} status wait attempt
  for attempt in 1 2 3 4 5 6 7 8 9 10; do
    set -- --silent --globoff --path-as-is --max-time 15 --request "$method" --dump-header "$headers" --output "$received" \
      --header "X-Client-Id: $client" --header "X-Signature: $(signature "$method" "$target" "$key" "$body")"
    if [ -n "$key" ]; then set -- "$@" --header "Idempotency-Key: $key"; fi
    if [ -n "$body" ]; then set -- "$@" --header 'Content-Type: application/json' --data-raw "$body"; fi
    : >"$headers" >"$received"
    status=$(curl "$@" --write-out '%{http_code}' "$url$target") || status=000
    case $status in
      000 | 408 | 425 | 429 | 500 | 502 | 503 | 504) ;;
      409) grep -qE '"code":"(request_in_progress|outcome_unknown)"' "$received" || break ;;
      *) break ;;
    esac
    ! grep -q '"retryable":false' "$received" || break
    wait=$(sed -n 's/^retry-after: *\([0-9]*\).*/\1/ip' "$headers")
    echo "attempt $attempt: status $status" >&2
    sleep "${wait:-$(awk -v n="$attempt" 'BEGIN { srand(); m = 0.2 * 2 ^ (n - 1); print rand() * (m < 10 ? m : 10) }')}"
  done
  echo "$status $(cat "$received")"
  case $status in 2*) ;; *) exit 1 ;; esac
}

send POST /orders "$key" '{"user_id":"user-1","item":"Käse","amount":"19.90"}'
send GET "/orders?idempotency_key=$key"
