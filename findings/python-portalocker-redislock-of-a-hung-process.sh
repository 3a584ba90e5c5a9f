#!/usr/bin/env bash
# python3-portalocker 2.2.1 (Debian 12), RedisLock: a holder that does not reply keeps the lock, and fail_when_locked waits for the timeout.
#
# Guess: whoever finds the lock taken asks its holder by a message. A holder that has not replied after `unavailable_timeout` (1 s) is
#   hung, its connection is killed and the lock is free: "an extremely reliable Redis lock". With fail_when_locked=True a lock
#   that is taken fails at once ("this does not wait for the timeout").
# What happens: the first message that comes is the confirmation of Redis that one has subscribed, and that is taken for the reply. A
#   holder that never replies keeps the lock for as long as its connection is open. And after each reply the loop goes on before
#   it looks at fail_when_locked, so this fails after the whole timeout.
# Why it matters: a process that hangs or is stopped, or whose machine is cut off, holds its lock until TCP gives up, and no log line
#   says so; a web request that was to fail at once if another one has the lock waits.
# Needs redis-server, apt-get of Debian 12, and Python 3; installs nothing outside a temporary folder. Fails when the behaviour
# changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q python3-portalocker=2.2.1-1 python3-redis=4.3.4-3 python3-deprecated python3-wrapt python3-packaging \
  python3-async-timeout 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done
redis-server --port 0 --unixsocket "$folder/redis" --save '' --dir "$folder" >log &
pid=$!
for i in $(seq 100); do test -S redis && break; sleep 0.1; done

cat >find.py <<'PY'
import signal
import subprocess
import sys
import time

import portalocker
import redis


def connect():
    return redis.Redis(unix_socket_path=sys.argv[1])


def acquire(name, lock):
    begun = time.monotonic()
    try:
        lock.acquire()
        result = "acquired"
        lock.release()
    except portalocker.exceptions.AlreadyLocked:
        result = "AlreadyLocked"
    print(f"{name}: {result} after {time.monotonic() - begun:.0f} s")


holder = portalocker.RedisLock("a", connect())
holder.acquire()
acquire("fail_when_locked", portalocker.RedisLock("a", connect(), timeout=3, check_interval=0.1, fail_when_locked=True))

holder.release()

# Another process takes a lock and is then stopped, with its connection open.
code = "import sys, portalocker, redis; portalocker.RedisLock('b', redis.Redis(unix_socket_path=sys.argv[1])).acquire(); print(); input()"
child = subprocess.Popen([sys.executable, "-u", "-c", code, sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
child.send_signal(signal.SIGSTOP)
options = {"timeout": 6, "check_interval": 0.1, "unavailable_timeout": 1}
acquire("stopped holder", portalocker.RedisLock("b", connect(), **options))
child.kill()
child.wait()
acquire("ended holder", portalocker.RedisLock("b", connect(), **options))
PY
redis-server --version
PYTHONPATH=root/usr/lib/python3/dist-packages timeout 60 python3 find.py "$folder/redis" | tee output
diff output - <<'EXPECTED'
fail_when_locked: AlreadyLocked after 3 s
stopped holder: AlreadyLocked after 6 s
ended holder: acquired after 0 s
EXPECTED
