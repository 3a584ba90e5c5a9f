# shellcheck shell=bash
# Sourced by test.sh. A private Redis and PostgreSQL for the tests, from what the machine has: URLs that are given,
# server programs, Docker, or (root on Debian and Ubuntu) apt-get.
#
# start_servers exports TEST_REDIS_URL and TEST_DATABASE_URL, and where the programs were found also
# TEST_REDIS_SERVER (the program) and TEST_POSTGRES_BIN (the directory), with which test/support/servers.ts starts
# the servers that tests stop and kill. stop_servers ends what start_servers started, and nothing else.

readonly START_SECONDS=60
# What a probe returns when waiting on makes no sense.
readonly HOPELESS=99
servers_dir=
redis_pid=
postgres_pid=
redis_container=
postgres_container=

start_servers() {
  find_redis || true
  find_postgres || true
  install_missing_servers || return 1
  # Under /tmp, since the path of a unix socket may have about 100 characters, and open for the user of PostgreSQL.
  servers_dir=$(mktemp -d /tmp/oncekey-test.XXXXXX) && chmod 711 "$servers_dir" || return 1
  # Another program may take a port between the choice of it and the start.
  try_again start_redis || return 1
  try_again start_postgres || return 1
  export TEST_REDIS_URL TEST_DATABASE_URL
  node test/support/check-servers.js
}

stop_servers() {
  if [ -n "$redis_pid" ]; then kill -TERM "$redis_pid" 2>/dev/null || true; fi
  # INT is PostgreSQL's fast shutdown: it does not wait for its clients.
  if [ -n "$postgres_pid" ]; then kill -INT "$postgres_pid" 2>/dev/null || true; fi
  local pid
  for pid in $redis_pid $postgres_pid; do
    wait_until 10 gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
  done
  for pid in $redis_container $postgres_container; do docker rm -f "$pid" >/dev/null 2>&1 || true; done
  if [ -n "$servers_dir" ]; then rm -rf "$servers_dir"; fi
  redis_pid='' postgres_pid='' redis_container='' postgres_container='' servers_dir=''
}

# --- what is there -----------------------------------------------------------------------------------------------

# Redis 6.2 or newer, or Valkey.
find_redis() {
  local program version
  for program in "${TEST_REDIS_SERVER:-}" redis-server valkey-server \
    /opt/homebrew/bin/redis-server /usr/local/bin/redis-server; do
    program=$(command -v "$program" 2>/dev/null) || continue
    version=$("$program" --version | sed -n 's/.*v=\([0-9]*\)\.\([0-9]*\)\..*/\1 \2/p')
    at_least "${version:-0 0}" 6 2 || continue
    export TEST_REDIS_SERVER=$program
    return 0
  done
  return 1
}

# PostgreSQL 14 or newer: the one that was asked for, else the one in PATH, else the newest of the usual places.
find_postgres() {
  local program directory version best=13
  program=$(command -v initdb 2>/dev/null) || program=
  for directory in "${TEST_POSTGRES_BIN:-}" "${program%/initdb}"; do
    [ "$(postgres_version "$directory")" -gt "$best" ] || continue
    export TEST_POSTGRES_BIN=$directory
    return 0
  done
  for directory in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin \
    /usr/local/opt/postgresql@*/bin /Applications/Postgres.app/Contents/Versions/latest/bin; do
    version=$(postgres_version "$directory")
    [ "$version" -gt "$best" ] || continue
    best=$version
    export TEST_POSTGRES_BIN=$directory
  done
  [ "$best" -gt 13 ]
}

# The major version of the server programs in a directory, 0 if they are not there.
postgres_version() {
  local version=''
  if [ -x "$1/initdb" ] && [ -x "$1/pg_ctl" ] && [ -x "$1/postgres" ]; then
    version=$("$1/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
  fi
  echo "${version:-0}"
}

# at_least "MAJOR MINOR" WANTED_MAJOR WANTED_MINOR
at_least() {
  local major=${1% *} minor=${1#* }
  [ "$major" -gt "$2" ] || { [ "$major" -eq "$2" ] && [ "$minor" -ge "$3" ]; }
}

needs_redis() { [ -z "${TEST_REDIS_URL:-}" ] && [ -z "${TEST_REDIS_SERVER:-}" ]; }
needs_postgres() { [ -z "${TEST_DATABASE_URL:-}" ] && [ -z "${TEST_POSTGRES_BIN:-}" ]; }
docker_answers() { command -v docker >/dev/null 2>&1 && docker info >/dev/null 2>&1; }

install_missing_servers() {
  local packages=''
  needs_redis && packages="$packages redis-server"
  needs_postgres && packages="$packages postgresql"
  [ -n "$packages" ] || return 0
  docker_answers && return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt_install "$packages" || return 1
    find_redis || true
    find_postgres || true
  fi
  if needs_redis || needs_postgres; then
    echo "The tests need Redis 6.2 or newer (or Valkey) and PostgreSQL 14 or newer. Missing here:$packages." >&2
    echo 'Install them (Debian, Ubuntu: sudo apt-get install redis-server postgresql;' >&2
    echo 'macOS: brew install redis postgresql@16), or start Docker, or set TEST_REDIS_URL and TEST_DATABASE_URL.' >&2
    return 1
  fi
}

# What tests of the slow tier start, and the languages of examples/. A test fails where its program is missing.
need_slow_programs() {
  local packages
  packages=$(missing_slow_packages)
  if [ -n "$packages" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt_install "$packages" || true
  fi
}

missing_slow_packages() {
  has pgbouncer || printf ' pgbouncer'
  has pgpool || printf ' pgpool2'
  has java || printf ' openjdk-17-jdk-headless'
  has go || printf ' golang-go'
  has ruby || printf ' ruby'
  php -m 2>/dev/null | grep -qx curl || printf ' php-cli php-curl'
  python3 -c 'import requests' 2>/dev/null || printf ' python3 python3-requests'
  has mcs || printf ' mono-mcs mono-runtime libmono-system-net-http4.0-cil libmono-system-core4.0-cil'
}

has() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

# The packages would start servers of their own on the usual ports: Debian asks policy-rc.d first, and 101 means no.
apt_install() {
  local policy=/usr/sbin/policy-rc.d ours='' failed=0
  echo "installing$1 with apt-get (their own servers are not started) ..."
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && ours=yes
  fi
  # shellcheck disable=SC2086 # a list of package names
  {
    DEBIAN_FRONTEND=noninteractive apt-get update -q &&
      DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $1
  } >/tmp/oncekey-apt.$$ 2>&1 </dev/null || failed=1
  [ -z "$ours" ] || rm -f "$policy"
  [ "$failed" = 0 ] || { echo 'apt-get failed:' >&2 && tail -n 20 /tmp/oncekey-apt.$$ >&2; }
  rm -f /tmp/oncekey-apt.$$
  return "$failed"
}

# --- starting ----------------------------------------------------------------------------------------------------

start_redis() {
  [ -z "${TEST_REDIS_URL:-}" ] || return 0
  local port
  if [ -z "${TEST_REDIS_SERVER:-}" ]; then
    start_redis_container
    return
  fi
  port=$(free_port) || return 1
  # A process group of its own: Ctrl-C stops the tests first, and the servers after them.
  set -m
  "$TEST_REDIS_SERVER" --port "$port" --bind 127.0.0.1 --dir "$servers_dir" --save '' --appendonly no \
    --maxmemory-policy noeviction >"$servers_dir/redis.log" 2>&1 </dev/null &
  redis_pid=$!
  set +m
  wait_until "$START_SECONDS" redis_answers "$port" || {
    fails_to_start Redis "$servers_dir/redis.log"
    return 1
  }
  TEST_REDIS_URL=redis://127.0.0.1:$port
}

redis_answers() {
  local reply=''
  kill -0 "$redis_pid" 2>/dev/null || return "$HOPELESS"
  { exec 9<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
  printf 'PING\r\n' >&9
  IFS= read -r -t 2 reply <&9 || true
  exec 9>&-
  [ "${reply%$'\r'}" = +PONG ]
}

start_postgres() {
  [ -z "${TEST_DATABASE_URL:-}" ] || return 0
  local port data=$servers_dir/postgres log=$servers_dir/postgres.log user=''
  if [ -z "${TEST_POSTGRES_BIN:-}" ]; then
    start_postgres_container
    return
  fi
  rm -rf "$data"
  mkdir "$data" && : >"$log" || return 1
  if [ "$(id -u)" = 0 ]; then
    # PostgreSQL refuses to run as root.
    if id -u postgres >/dev/null 2>&1; then user=postgres; else user=nobody; fi
    chown "$user" "$data" "$log" || return 1
  fi
  port=$(free_port) || return 1
  as_user "$user" "$TEST_POSTGRES_BIN/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C --no-sync \
    >>"$log" 2>&1 || {
    fails_to_start PostgreSQL "$log"
    return 1
  }
  # Nothing here has to survive a power cut; a kill -9 of the server loses nothing even so.
  {
    echo "port = $port"
    echo "listen_addresses = '127.0.0.1'"
    echo "unix_socket_directories = '$data'"
    echo 'max_connections = 200'
    echo 'fsync = off'
  } >>"$data/postgresql.conf"
  as_user "$user" "$TEST_POSTGRES_BIN/pg_ctl" start -D "$data" -l "$log" -w -t "$START_SECONDS" >/dev/null 2>&1 || {
    fails_to_start PostgreSQL "$log"
    return 1
  }
  postgres_pid=$(head -n 1 "$data/postmaster.pid")
  TEST_DATABASE_URL=postgres://postgres@127.0.0.1:$port/postgres
}

# as_user USER COMMAND...: as that user, or as ourselves if USER is empty. In a directory that every user may enter,
# and without our standard input.
as_user() (
  user=$1
  shift
  cd "$servers_dir" || exit 1
  exec </dev/null
  if [ -z "$user" ]; then exec "$@"; fi
  if setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups true 2>/dev/null; then
    exec setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups "$@"
  elif command -v runuser >/dev/null 2>&1; then
    exec runuser -u "$user" -- "$@"
  fi
  # shellcheck disable=SC2016 # expanded by the inner shell
  exec su -s /bin/sh "$user" -c 'exec "$0" "$@"' -- "$@"
)

start_redis_container() {
  local name=oncekey-test-redis-$$-$RANDOM
  docker run -d --rm --name "$name" -p 127.0.0.1::6379 redis:7-alpine \
    redis-server --save '' --appendonly no --maxmemory-policy noeviction >/dev/null || return 1
  redis_container=$name
  wait_until "$START_SECONDS" docker exec "$name" redis-cli ping || {
    echo 'Redis in Docker does not answer.' >&2
    return 1
  }
  TEST_REDIS_URL=redis://$(docker port "$name" 6379/tcp | head -n 1)
}

start_postgres_container() {
  local name=oncekey-test-postgres-$$-$RANDOM
  docker run -d --rm --name "$name" -p 127.0.0.1::5432 -e POSTGRES_HOST_AUTH_METHOD=trust postgres:16-alpine \
    -c fsync=off -c max_connections=200 >/dev/null || return 1
  postgres_container=$name
  # Over TCP: while it sets itself up, the image runs a server that listens on its socket only.
  wait_until "$START_SECONDS" docker exec "$name" pg_isready -h 127.0.0.1 -U postgres || {
    echo 'PostgreSQL in Docker does not answer.' >&2
    return 1
  }
  TEST_DATABASE_URL=postgres://postgres@$(docker port "$name" 5432/tcp | head -n 1)/postgres
}

# --- small things ------------------------------------------------------------------------------------------------

try_again() { "$@" || "$@" || "$@"; }

free_port() {
  node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })'
}

gone() { ! kill -0 "$1" 2>/dev/null; }

# wait_until SECONDS COMMAND...: false when the time is over, or at once when the command returns HOPELESS.
wait_until() {
  local end=$((SECONDS + $1)) status
  shift
  while true; do
    status=0
    "$@" >/dev/null 2>&1 || status=$?
    [ "$status" = 0 ] && return 0
    if [ "$status" = "$HOPELESS" ] || [ "$SECONDS" -ge "$end" ]; then return 1; fi
    sleep 0.1
  done
}

fails_to_start() {
  echo "$1 does not start:" >&2
  tail -n 20 "$2" >&2
}
