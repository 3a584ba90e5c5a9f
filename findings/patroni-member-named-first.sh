#!/usr/bin/env bash
# Patroni 3.0.2: a member with the name first never becomes the synchronous standby.
#
# Guess: the name of a member is free. With synchronous_mode the leader writes the name of its standby into
#   synchronous_standby_names, and the standby is synchronous some seconds after it streams.
# What happens: with the name second it is. With the name first Patroni writes synchronous_standby_names = first, without quotes.
#   FIRST is a keyword there (FIRST 2 (a, b)), so that PostgreSQL finds a syntax error, leaves the setting as it was (empty) and
#   says so in its own log alone. Patroni goes on: at each loop it logs that it assigns the status, and reports a healthy leader and
#   a running replica without lag.
# Why it matters: the cluster looks healthy, and every commit is acknowledged by the leader alone. In this mode Patroni promotes
#   only a synchronous standby (its documentation, "Replication modes"), and there is none.
# Needs Patroni 3.0.2, etcd 3.4 and PostgreSQL 15 (Debian 12: patroni python3-etcd etcd-server postgresql-15), curl. As root it runs
# them as nobody. Takes a minute and a half. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
pids=()
stop() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  cd /
  rm -rf "$folder"
}
trap stop EXIT
cd "$folder"
as=()
if [ "$(id -u)" = 0 ]; then
  as=(setpriv --reuid nobody --regid nogroup --clear-groups)
  chown nobody:nogroup .
fi
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
bin=/usr/lib/postgresql/15/bin
client=$(free) peer=$(free)
"${as[@]}" etcd --data-dir "$folder/etcd" --listen-client-urls "http://127.0.0.1:$client" \
  --advertise-client-urls "http://127.0.0.1:$client" --listen-peer-urls "http://127.0.0.1:$peer" \
  --initial-advertise-peer-urls "http://127.0.0.1:$peer" --initial-cluster "default=http://127.0.0.1:$peer" \
  >/dev/null 2>&1 &
pids+=($!)

# member NAME CLUSTER PORT REST: starts one.
member() {
  "${as[@]}" sh -c "cat >'$1-$2.yml'" <<YML
scope: $2
name: $1
restapi: {listen: '127.0.0.1:$4', connect_address: '127.0.0.1:$4'}
etcd3: {host: '127.0.0.1:$client'}
bootstrap:
  dcs: {ttl: 20, loop_wait: 2, retry_timeout: 5, synchronous_mode: true}
  initdb: [{encoding: UTF8}, {locale: C}]
  pg_hba: [host replication all 127.0.0.1/32 trust, host all all 127.0.0.1/32 trust]
postgresql:
  listen: 127.0.0.1:$3
  connect_address: 127.0.0.1:$3
  data_dir: $folder/$1-$2
  bin_dir: $bin
  pgpass: $folder/$1-$2.pgpass
  authentication: {superuser: {username: postgres, password: a}, replication: {username: replicator, password: a}}
  parameters: {unix_socket_directories: '$folder', fsync: 'off', lc_messages: C}
YML
  "${as[@]}" patroni "$1-$2.yml" >"$1-$2.log" 2>&1 &
  pids+=($!)
}
# is PORT PATH: whether Patroni's health check says yes.
is() { [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$1/$2")" = 200 ]; }

patroni --version
"$bin/postgres" --version
for name in second first; do
  database=$(free) rest=$(free) standby=$(free)
  member leader "of-$name" "$database" "$rest"
  until is "$rest" primary; do sleep 0.5; done
  member "$name" "of-$name" "$(free)" "$standby"
  until is "$standby" replica; do sleep 0.5; done
  # Ten loops of Patroni.
  seen=asynchronous
  for _ in $(seq 40); do
    if is "$standby" sync; then seen=synchronous && break; fi
    sleep 0.5
  done
  setting=$("$bin/psql" -h 127.0.0.1 -p "$database" -U postgres -Atc 'SHOW synchronous_standby_names')
  tries=$(grep -c "Assigning synchronous standby status to \['$name'\]" "leader-of-$name.log")
  echo "$name: $seen; synchronous_standby_names '$setting'; $([ "$tries" -gt 3 ] && echo 'assigned again and again' || echo 'assigned once or twice')"
done | tee output
grep -ho 'invalid value for parameter "synchronous_standby_names".*' leader-of-first.log | sort -u | tee -a output
diff output - <<'EXPECTED'
second: synchronous; synchronous_standby_names 'second'; assigned once or twice
first: asynchronous; synchronous_standby_names ''; assigned again and again
invalid value for parameter "synchronous_standby_names": "first"
EXPECTED
