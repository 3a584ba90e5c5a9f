#!/usr/bin/env bash
# python3-limits 2.8.0 (Debian 12): the reset of a moving window is that of the newest hit, and a refused hit uses up a fixed window.
#
# Guess: get_window_stats() has the time at which the next hit is allowed, when the oldest one leaves the window. A hit that is
#   refused for its cost takes nothing away.
# What happens: "the starting point of the window" is the newest hit. After hits at 0, 2 and 4 seconds of 3 in 10 seconds a hit is
#   allowed at 10 seconds, and the reset is at 14. In memory and in Redis alike. With the fixed window a hit that is refused for its
#   cost uses up what was left; with the moving window it does not.
# Why it matters: Flask-Limiter (3.3.0 in Debian 12) makes Retry-After of the reset. Clients that keep to it wait for nearly a whole
#   window, with a limit by the hour nearly an hour, where a minute would do. And one request that is too large locks its sender out.
# Needs redis-server, apt-get of Debian 12, and Python 3; installs nothing outside a temporary folder. Fails when the behaviour
# changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q python3-limits=2.8.0-1 python3-deprecated python3-wrapt python3-redis python3-packaging \
  python3-pkg-resources python3-typing-extensions python3-async-timeout 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done
redis-server --port 0 --unixsocket "$folder/redis" --save '' --dir "$folder" >log &
pid=$!
for i in $(seq 100); do test -S redis && break; sleep 0.1; done

cat >find.py <<'PY'
import sys
import time

from limits import parse
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter

limit = parse("3/10seconds")
for uri in "memory://", f"redis+unix://{sys.argv[1]}":
    name = uri.split(":")[0]
    storage = storage_from_string(uri)
    moving, fixed = MovingWindowRateLimiter(storage), FixedWindowRateLimiter(storage)
    begun = time.time()
    for _ in range(3):
        moving.hit(limit, "a")
        time.sleep(2)
    reset = moving.get_window_stats(limit, "a")[0] - begun
    while not moving.hit(limit, "a"):
        time.sleep(0.1)
    after = ["over 12 s" if seconds > 12 else "under 12 s" for seconds in (time.time() - begun, reset)]
    print(f"{name}: allowed again after {after[0]}, reset after {after[1]}")
    for kind, limiter in ("moving", moving), ("fixed", fixed):
        hits = [limiter.hit(limit, "c" + kind, cost=cost) for cost in (1, 3, 1)]
        print(f"{name}: hits with costs 1, 3 and 1 are allowed: {kind} window {hits}")
PY
PYTHONPATH=root/usr/lib/python3/dist-packages python3 find.py "$folder/redis" | tee output
diff output - <<'EXPECTED'
memory: allowed again after under 12 s, reset after over 12 s
memory: hits with costs 1, 3 and 1 are allowed: moving window [True, False, True]
memory: hits with costs 1, 3 and 1 are allowed: fixed window [True, False, False]
redis+unix: allowed again after under 12 s, reset after over 12 s
redis+unix: hits with costs 1, 3 and 1 are allowed: moving window [True, False, True]
redis+unix: hits with costs 1, 3 and 1 are allowed: fixed window [True, False, False]
EXPECTED
