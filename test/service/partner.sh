#!/usr/bin/env bash
# The service as a partner sees it, with curl and openssl alone: every response's status, headers and body.
#
#   partner.sh URL [SECRET]     a service with its default limits whose quota nobody has used in the last minute
#
# Prints "ok N - what" or "not ok N - what" with what was got; exit code 1 if any is not ok. The keys are new in every
# run. The quota is 10 requests in 60 s: what is refused before it comes first and must use none of it.
set -euo pipefail

if [ $# -lt 1 ]; then
  echo "usage: $0 URL [SECRET]" >&2
  exit 2
fi
readonly URL=$1 SECRET=${2:-super-secret-key}
readonly UUID='[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
readonly TIME='20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{3}Z'
readonly JSON='application/json; charset=utf-8' PROBLEM=application/problem+json
RUN=$(openssl rand -hex 6)
readonly RUN

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
count=0
bad=0

# --- signing -----------------------------------------------------------------------------------------------------

# hmac TEXT: 64 hex digits. printf '%s' and not echo, which would sign a line feed too.
hmac() { printf '%s' "$1" | openssl dgst -sha256 -hmac "$SECRET" | sed 's/^.*= //'; }
sha256() { printf '%s' "$1" | openssl dgst -sha256 | sed 's/^.*= //'; }

# v1 METHOD TARGET KEY BODY [TIMESTAMP]: the value of X-Signature.
v1() {
  local t=${5:-$(date +%s)}
  printf 't=%s,v1=%s' "$t" "$(hmac "$(printf 'v1\n%s\n%s\n%s\ndefault\n%s\n%s' "$t" "$1" "$2" "$3" "$(sha256 "$4")")")"
}

# --- asking and comparing ----------------------------------------------------------------------------------------

# ask FILE METHOD TARGET [CURL OPTION...]: the response's head into FILE.head, its body into FILE.body.
ask() {
  local file=$dir/$1 method=$2 target=$3
  shift 3
  curl -sS --max-time 20 -X "$method" -D "$file.raw" -o "$file.body" "$@" "$URL$target"
  # curl writes a 100 Continue, if there was one, before the response.
  tr -d '\r' <"$file.raw" | awk '/^HTTP\//{ text = "" } { text = text $0 "\n" } END { printf "%s", text }' >"$file.head"
  if [ ! -e "$file.body" ]; then : >"$file.body"; fi
  answer=$file
}

# post FILE KEY BODY SIGNATURE: an order. An empty KEY or SIGNATURE is left out.
post() {
  local options=(-H 'Content-Type: application/json' --data-binary "$3")
  if [ -n "$2" ]; then options+=(-H "Idempotency-Key: $2"); fi
  if [ -n "$4" ]; then options+=(-H "X-Signature: $4"); fi
  ask "$1" POST /orders "${options[@]}"
}

# get FILE TARGET: signed with v1.
get() { ask "$1" GET "$2" -H "X-Signature: $(v1 GET "$2" '' '')"; }

status() { sed -n '1s/^HTTP\/[0-9.]* \([0-9]*\).*/\1/p' "$answer.head"; }
# header NAME: its value, or "(none)".
header() {
  local value
  value=$(grep -i "^$1:" "$answer.head" | sed 's/^[^:]*: *//') || value='(none)'
  printf '%s' "$value"
}

check() { # check WHAT COMMAND...
  local what=$1
  shift
  count=$((count + 1))
  if "$@"; then
    echo "ok $count - $what"
  else
    bad=$((bad + 1))
    echo "not ok $count - $what"
    { sed '/^$/d' "$answer.head" && head -c 2000 "$answer.body" && echo; } | sed 's/^/#   /'
  fi
}

# is WHAT WANTED GOT
is() {
  check "$1" test "$2" = "$3"
  if [ "$2" != "$3" ]; then printf '# wanted: %s\n# got:    %s\n' "$2" "$3"; fi
}
# like WHAT EXTENDED_REGEX GOT: the whole of it.
like() {
  check "$1" grep -Eqx -- "$2" <<<"$3"
  if ! grep -Eqx -- "$2" <<<"$3"; then printf '# wanted: %s\n# got:    %s\n' "$2" "$3"; fi
}

has_status() { is "$1: status $2" "$2" "$(status)"; }
has_header() { is "$1: $2: $3" "$3" "$(header "$2")"; }

# has_quota WHAT REMAINING: the headers that every authenticated response carries.
has_quota() {
  has_header "$1" X-RateLimit-Limit 10
  has_header "$1" X-RateLimit-Remaining "$2"
  has_header "$1" RateLimit-Policy '"client";q=10;w=60'
  like "$1: RateLimit says the same" "\"client\";r=$2;t=([1-9]|[1-5][0-9]|60)" "$(header RateLimit)"
  local left=$(($(header X-RateLimit-Reset | tr -cd 0-9 | sed 's/^$/0/') - $(date +%s)))
  check "$1: X-RateLimit-Reset is within the next minute (in $left s)" test "$left" -ge 0 -a "$left" -le 61
}
has_no_quota() { has_header "$1" X-RateLimit-Remaining '(none)'; }

# is_problem WHAT STATUS CODE: an RFC 9457 document that says the same as the status and the request id.
is_problem() {
  local what=$1 text
  has_status "$what" "$2"
  has_header "$what" Content-Type "$PROBLEM"
  has_header "$what" Cache-Control no-store
  has_header "$what" Idempotent-Replayed '(none)'
  text=$(cat "$answer.body")
  like "$what: a problem document, code $3" \
    "\\{\"type\":\"/problems/$3\",\"title\":\"[^\"]+\",\"status\":$2,\"detail\":\".+\",\"code\":\"$3\",\"request_id\":\"$UUID\".*\\}" \
    "$text"
  is "$what: X-Request-Id is its request_id" "$(header X-Request-Id)" \
    "$(sed -n 's/.*"request_id":"\([^"]*\)".*/\1/p' "$answer.body")"
}

# order_json ID ITEM AMOUNT KEY: what an order looks like, as a pattern.
order_json() {
  printf '\\{"id":"%s","user_id":"user-1","item":"%s","amount":%s,"idempotency_key":"%s","created_at":"%s"\\}' \
    "$1" "$2" "${3//./\\.}" "$4" "$TIME"
}
order_id() { sed -n 's/.*"order":{"id":"\([^"]*\)".*/\1/p' "$answer.body"; }

# --- open to everybody -------------------------------------------------------------------------------------------

ask livez GET /livez
has_status 'GET /livez' 200
is 'GET /livez: body' ok "$(cat "$answer.body")"
like 'GET /livez: X-Request-Id' "$UUID" "$(header X-Request-Id)"

ask readyz GET /readyz
has_status 'GET /readyz' 200
is 'GET /readyz: body' ready "$(cat "$answer.body")"

ask health GET /health -H "X-Request-Id: partner-$RUN"
has_status 'GET /health' 200
has_header 'GET /health' Content-Type "$JSON"
has_header 'GET /health' X-Request-Id "partner-$RUN"
like 'GET /health: body' \
  '\{"status":"up","version":"[0-9.]+","uptime_s":[0-9]+,"services":\{("[a-z]+":\{"status":"up","latency_ms":[0-9.]+\},?)+\}\}' \
  "$(cat "$answer.body")"

ask page GET /problems/rate_limited
has_status 'GET /problems/rate_limited' 200
like 'GET /problems/rate_limited: body' '\{"code":"rate_limited","status":429,.*\}' "$(cat "$answer.body")"

ask nowhere GET /nowhere
is_problem 'an unknown path' 404 not_found

ask delete DELETE /orders
is_problem 'DELETE /orders' 405 method_not_allowed
is 'DELETE /orders: Allow' 'GET, HEAD, POST' "$(header Allow | tr -d ' ' | tr , '\n' | sort | paste -sd, - | sed 's/,/, /g')"

ask xml POST /orders -H 'Accept: application/xml' -d x
is_problem 'an answer in XML' 406 not_acceptable

# --- refused for their signature: none of these may use the quota or touch a key ---------------------------------

readonly BOOK='{"user_id":"user-1","item":"book","amount":500}'
readonly BOOK_KEY=book-$RUN
refused() { # refused WHAT STATUS CODE, after the request
  is_problem "$1" "$2" "$3"
  has_no_quota "$1"
}

post unsigned "$BOOK_KEY" "$BOOK" ''
refused 'no signature' 401 signature_missing
has_header 'no signature' WWW-Authenticate 'Signature realm="oncekey"'

post wrong "$BOOK_KEY" "$BOOK" "$(hmac "$BOOK ")"
refused 'a signature of another body' 401 signature_invalid
has_header 'a signature of another body' WWW-Authenticate 'Signature realm="oncekey"'

post garbage "$BOOK_KEY" "$BOOK" "$(hmac "$BOOK")00"
refused 'a signature with two digits more' 401 signature_invalid

post otherkey "$BOOK_KEY" "$BOOK" "$(v1 POST /orders "other-$RUN" "$BOOK")"
refused 'v1 over another key' 401 signature_invalid

ask stranger POST /orders -H 'Content-Type: application/json' -H "Idempotency-Key: $BOOK_KEY" \
  -H "X-Signature: $(hmac "$BOOK")" -H "X-Client-Id: stranger-$RUN" -d "$BOOK"
refused 'an unknown client' 401 signature_invalid
# The two responses may differ in their request id only.
without_id() { sed 's/"request_id":"[^"]*"//' "$dir/$1.body"; }
is 'an unknown client reads what a wrong signature reads' "$(without_id wrong)" "$(without_id stranger)"

now=$(date +%s)
for late in $((now - 310)) $((now + 310)) "${now}000"; do
  post late "$BOOK_KEY" "$BOOK" "$(v1 POST /orders "$BOOK_KEY" "$BOOK" "$late")"
  refused "v1 signed at $late, $((late - now)) s from now" 401 timestamp_out_of_range
done

ask v0get GET /orders -H "X-Signature: $(hmac '')"
refused 'GET signed with v0' 403 scheme_not_allowed

# --- the ten requests of the quota -------------------------------------------------------------------------------

book_signature=$(hmac "$BOOK")
post book "$BOOK_KEY" "$BOOK" "$book_signature"
what='1: a new order, signed with v0'
has_status "$what" 201
has_quota "$what" 9
has_header "$what" Content-Type "$JSON"
has_header "$what" Idempotent-Replayed '(none)'
like "$what: Deprecation" '@[0-9]+' "$(header Deprecation)"
like "$what: body" "\\{\"order\":$(order_json "$UUID" book 500 "$BOOK_KEY")\\}" "$(cat "$answer.body")"
book_id=$(order_id)
has_header "$what" Location "/orders/$book_id"

post again "$BOOK_KEY" "$BOOK" "$book_signature"
what='2: the same request again'
has_status "$what" 201
has_quota "$what" 8
has_header "$what" Idempotent-Replayed true
has_header "$what" Content-Type "$JSON"
has_header "$what" Location "/orders/$book_id"
check "$what: the same bytes" cmp -s "$dir/book.body" "$dir/again.body"

# The whitespace is signed as it is sent; the amount comes back as exact as it went in.
readonly LAMP='{ "user_id": "user-1",  "item": "lamp", "amount": "19.90" }' LAMP_KEY=lamp-$RUN
post lamp "$LAMP_KEY" "$LAMP" "$(v1 POST /orders "$LAMP_KEY" "$LAMP")"
what='3: a new order, signed with v1'
has_status "$what" 201
has_quota "$what" 7
has_header "$what" Idempotent-Replayed '(none)'
has_header "$what" Deprecation '(none)'
like "$what: body" "\\{\"order\":$(order_json "$UUID" lamp 19.9 "$LAMP_KEY")\\}" "$(cat "$answer.body")"
lamp_id=$(order_id)
has_header "$what" Location "/orders/$lamp_id"

readonly OTHER='{"user_id":"user-1","item":"book","amount":501}'
post reused "$LAMP_KEY" "$OTHER" "$(v1 POST /orders "$LAMP_KEY" "$OTHER")"
what='4: the same key with another body'
is_problem "$what" 409 idempotency_key_reused
has_quota "$what" 6
like "$what: not retryable" '.*"retryable":false.*' "$(cat "$answer.body")"

post nokey '' "$BOOK" "$(v1 POST /orders '' "$BOOK")"
what='5: no Idempotency-Key'
is_problem "$what" 400 idempotency_key_missing
has_quota "$what" 5

readonly BROKEN='{"user_id":"user-1",'
post broken "broken-$RUN" "$BROKEN" "$(v1 POST /orders "broken-$RUN" "$BROKEN")"
what='6: a body that is not JSON'
is_problem "$what" 400 invalid_json
has_quota "$what" 4

# Under the key of the broken body: a 400 is not stored, so the key is free.
readonly UNPAID='{"user_id":"user-1","item":"book","amount":-1,"colour":"red"}'
post unpaid "broken-$RUN" "$UNPAID" "$(v1 POST /orders "broken-$RUN" "$UNPAID")"
what='7: values that are not valid'
is_problem "$what" 422 validation_failed
has_quota "$what" 3
like "$what: errors points at each of them" \
  '.*"errors":\[\{"pointer":"/amount","detail":"[^"]+"\},\{"pointer":"/colour","detail":"[^"]+"\}\].*' "$(cat "$answer.body")"

get one "/orders/$lamp_id"
what='8: GET /orders/:id'
has_status "$what" 200
has_quota "$what" 2
has_header "$what" Content-Type "$JSON"
check "$what: the bytes of the answer that placed it" cmp -s "$dir/lamp.body" "$dir/one.body"

# The query is signed too. Newest first, and there is another page: the book.
get list '/orders?limit=1'
what='9: GET /orders?limit=1'
has_status "$what" 200
has_quota "$what" 1
like "$what: body" "\\{\"orders\":\\[$(order_json "$lamp_id" lamp 19.9 "$LAMP_KEY")\\],\"next_cursor\":\"$lamp_id\"\\}" \
  "$(cat "$answer.body")"

get missing /orders/01890000-0000-7000-8000-000000000000
what='10: GET /orders/:id of no order'
is_problem "$what" 404 not_found
has_quota "$what" 0

# --- and the one too many ----------------------------------------------------------------------------------------

post eleventh "$BOOK_KEY" "$BOOK" "$book_signature"
what='11: one request too many, though a retry'
is_problem "$what" 429 rate_limited
has_quota "$what" 0
like "$what: retryable" '.*"retryable":true,"retry_after_ms":[0-9]+\}' "$(cat "$answer.body")"
retry_ms=$(sed -n 's/.*"retry_after_ms":\([0-9]*\).*/\1/p' "$answer.body")
retry_ms=${retry_ms:-0}
is "$what: Retry-After is retry_after_ms in whole seconds, rounded up" "$(((retry_ms + 999) / 1000))" "$(header Retry-After)"
check "$what: retry_after_ms is within the window ($retry_ms ms)" test "$retry_ms" -gt 0 -a "$retry_ms" -le 60000

post unsigned2 "$BOOK_KEY" "$BOOK" ''
refused 'the quota is used up: who is not known learns nothing of it' 401 signature_missing

# --- what the operator reads -------------------------------------------------------------------------------------

ask metrics GET /metrics
has_status 'GET /metrics' 200
has_header 'GET /metrics' Content-Type 'text/plain; version=0.0.4; charset=utf-8'
at_least_metric() { # at_least_metric NAME{LABELS} NUMBER
  local value
  value=$(awk -v name="$1" '$1 == name { print int($2) }' "$answer.body")
  count=$((count + 1))
  if [ "${value:-0}" -ge "$2" ]; then
    echo "ok $count - GET /metrics: $1 is at least $2"
  else
    bad=$((bad + 1))
    echo "not ok $count - GET /metrics: $1 is at least $2 (got ${value:-nothing})"
  fi
}
at_least_metric idempotent_replays_total 1
at_least_metric rate_limit_exceeded_total 1
at_least_metric concurrent_conflicts_total 0
at_least_metric 'idempotency_outcomes_total{outcome="fresh"}' 2
at_least_metric 'idempotency_outcomes_total{outcome="mismatch"}' 1
at_least_metric 'signature_verifications_total{scheme="v0",result="ok"}' 3
at_least_metric 'signature_verifications_total{scheme="v1",result="ok"}' 8
at_least_metric 'signature_verifications_total{scheme="v1",result="timestamp_out_of_range"}' 3
at_least_metric 'http_request_duration_seconds_count{method="POST",route="/orders",status="201"}' 3
leaks() { grep -qE "$RUN|$book_id|$SECRET" "$answer.body"; }
not() { ! "$@"; }
check 'GET /metrics: no key, client, order or secret in it' not leaks

echo "# $((count - bad)) of $count ok"
[ "$bad" = 0 ]
