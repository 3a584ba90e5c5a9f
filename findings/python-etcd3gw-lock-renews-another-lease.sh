#!/usr/bin/env bash
# python3-etcd3gw 2.0.0 (Debian 12), Lock: after acquire() of a lock that one holds, refresh() renews another lease; `with` does not look.
#
# Guess: acquire() returns False while the lock is held and changes nothing. refresh() renews the lease of the lock, or says that it has
#   expired. `with client.lock(name):` waits for the lock, or raises an error if it is held.
# What happens: acquire() makes a new lease each time, before it asks for the key, and keeps it. If the lock is held, also by itself, the
#   key stays with the old lease, and refresh() renews the new one: it returns 3 seconds each time, while the key of a lock of 3
#   seconds is gone after the third. Leases of attempts that failed are not revoked: 20 attempts leave 20. And `with` calls acquire()
#   without a look at its result: the block runs while another one holds the lock.
# Why it matters: a worker that asks again whether it still has the lock, by acquire(), and renews it every second, works on without it,
#   and all that it is told is right. Use is_acquired(), and call acquire() once for each object.
# Needs apt-get of Debian 12 on amd64 or arm64, and Python 3; everything is on loopback; installs nothing outside a temporary folder.
# Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q python3-etcd3gw=2.0.0-2 etcd-server=3.4.23-4+b4 \
  python3-{certifi,chardet,charset-normalizer,futurist,idna,monotonic,pbr,prettytable,requests,six,urllib3,wcwidth} 2>&1 |
  grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done
port=$((20000 + RANDOM % 10000))
url=http://127.0.0.1:$port peer=http://127.0.0.1:$((port + 1))
root/usr/bin/etcd --data-dir data --listen-client-urls "$url" --advertise-client-urls "$url" --listen-peer-urls "$peer" \
  --initial-advertise-peer-urls "$peer" --initial-cluster "default=$peer" >log 2>&1 &
pid=$!

cat >find.py <<'PY'
import sys
import time

import requests
from etcd3gw.client import Etcd3Client

client = Etcd3Client(port=int(sys.argv[1]), api_path="/v3/")
for _ in range(100):
    try:
        client.status()
        break
    except Exception:
        time.sleep(0.1)


def leases():
    response = requests.post(f"http://127.0.0.1:{sys.argv[1]}/v3/lease/leases", json={}, timeout=10)
    return len(response.json().get("leases", []))


def hold(name, attempts):
    lock = client.lock(name, ttl=3)
    results = [lock.acquire() for _ in range(attempts)]
    renewed = []
    for _ in range(6):
        time.sleep(1)
        renewed.append(lock.refresh())
    print(f"acquire() {results}, refresh() each second {renewed}: is_acquired() {lock.is_acquired()}")
    lock.release()


hold("a", 1)
hold("b", 2)

holder, waiting = client.lock("c", ttl=60), client.lock("c", ttl=60)
holder.acquire()
before = leases()
for _ in range(20):
    waiting.acquire()
print(f"20 attempts that failed: {leases() - before} leases more")
with client.lock("c", ttl=60) as lock:
    print(f"within the block: is_acquired() {lock.is_acquired()}, that of the holder {holder.is_acquired()}")
PY
PYTHONPATH=root/usr/lib/python3/dist-packages timeout 60 python3 -W ignore find.py "$port" | tee output
diff output - <<'EXPECTED'
acquire() [True], refresh() each second [3, 3, 3, 3, 3, 3]: is_acquired() True
acquire() [True, False], refresh() each second [3, 3, 3, 3, 3, 3]: is_acquired() False
20 attempts that failed: 20 leases more
within the block: is_acquired() False, that of the holder True
EXPECTED
