#!/usr/bin/env bash
# python3-tooz 3.1.0 (Debian 12) on PostgreSQL: there are 65,536 locks in all, so two locks with other names are often the same one.
#
# Guess: get_lock(name) makes a key of 64 bits of a hash of the name, as pg_advisory_lock takes, and two names never meet.
# What happens: the two numbers of the key are the first two bytes of an MD5, 0 to 255 each. Of the names order-0, order-1, ... the 404th
#   has the lock of another one; 10,000 names have 9,275 locks. Who holds "order-232" and asks for "order-403" waits for itself: each
#   lock has a connection of its own, so PostgreSQL sees two sessions and no deadlock, and acquire() waits for ever. With blocking=2
#   it raises tenacity.RetryError after 2 seconds.
# Why it matters: with a lock for each order or host unrelated work waits for each other, and a task that takes two locks hangs
#   one day. Tests have few names. Other drivers of tooz (Redis, files, etcd) take the whole name.
# Needs PostgreSQL 15 (postgresql-15), apt-get of Debian 12 on amd64 or arm64, and Python 3.11; everything is on a Unix socket;
# installs nothing outside a temporary folder. As root it runs PostgreSQL as nobody. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
pid=
trap 'test -z "$pid" || kill "$pid"; wait; cd /; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q python3-tooz=3.1.0-3 libpq5 python3-{psycopg2,debtcollector,fasteners,futurist,iso8601,monotonic,msgpack,netaddr} \
  python3-{netifaces,oslo.i18n,oslo.serialization,oslo.utils,packaging,pbr,pkg-resources,pyparsing,six,stevedore,tenacity,tz} \
  python3-{voluptuous,wrapt} 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done
mkdir run
as=()
if [ "$(id -u)" = 0 ]; then
  as=(setpriv --reuid nobody --regid nogroup --clear-groups)
  chown nobody:nogroup run
fi
bin=/usr/lib/postgresql/15/bin
"${as[@]}" "$bin/initdb" -D run/data -U postgres -A trust -E UTF8 --locale=C --no-sync >log
"${as[@]}" "$bin/postgres" -D run/data -c listen_addresses= -c "unix_socket_directories=$folder/run" -c fsync=off >>log 2>&1 &
pid=$!
for _ in $(seq 100); do "$bin/pg_isready" -q -h "$folder/run" && break; sleep 0.1; done

cat >find.py <<'PY'
import sys
import time

from tooz import coordination

coordinator = coordination.get_coordinator(f"postgresql:///?host={sys.argv[1]}&dbname=postgres", b"worker")
coordinator.start()


def lock(number):
    return coordinator.get_lock(f"order-{number}".encode())


names = {}
for number in range(10_000):
    names.setdefault(tuple(lock(number).key), []).append(number)
first, second = min((numbers[:2] for numbers in names.values() if len(numbers) > 1), key=lambda numbers: numbers[1])
print(f"10,000 names: {len(names)} locks; the first two that are one: order-{first}, order-{second}")

held, wanted, other = lock(first), lock(second), lock("other")
print(f"order-{first}: {held.acquire(blocking=False)}, order-{second}: {wanted.acquire(blocking=False)}, ", end="")
print(f"order-other: {other.acquire(blocking=False)}")
begun = time.monotonic()
try:
    result = wanted.acquire(blocking=2)
except Exception as error:
    result = type(error).__name__
print(f"order-{second} with blocking=2: {result} after {time.monotonic() - begun:.0f} s")
held.release()
print(f"order-{second} after the release of order-{first}: {wanted.acquire(blocking=False)}")
wanted.release()
other.release()
coordinator.stop()
PY
LD_LIBRARY_PATH=$(dirname "$(find "$folder/root" -name libpq.so.5)")
export LD_LIBRARY_PATH PGUSER=postgres PYTHONPATH=root/usr/lib/python3/dist-packages
python3 -W ignore find.py "$folder/run" | tee output
diff output - <<'EXPECTED'
10,000 names: 9275 locks; the first two that are one: order-232, order-403
order-232: True, order-403: False, order-other: True
order-403 with blocking=2: RetryError after 2 s
order-403 after the release of order-232: True
EXPECTED
