#!/usr/bin/env bash
# python3-circuitbreaker 1.4.0 (Debian 12): around an async function the circuit never opens, and nothing says so.
#
# Guess: @circuit counts the exceptions of an async function as those of any other, or refuses to decorate one.
# What happens: to call an async function only makes its coroutine, which always succeeds. The breaker takes that for the
#   outcome and resets its count. What fails later, in `await`, it does not see: the failure count stays 0, and the monitor
#   reports it closed.
# Why it matters: most HTTP and database clients of new Python code are async. A service that is down is called on and on,
#   by code that looks protected.
# Needs apt-get of Debian 12, and Python 3; installs nothing outside a temporary folder. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q python3-circuitbreaker=1.4.0-1 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >find.py <<'PY'
import asyncio
from circuitbreaker import CircuitBreakerMonitor, circuit


@circuit(failure_threshold=3, name="sync")
def call_sync():
    raise ConnectionError()


@circuit(failure_threshold=3, name="async")
async def call_async():
    raise ConnectionError()


for name, call in ("sync", call_sync), ("async", lambda: asyncio.run(call_async())):
    outcomes = []
    for _ in range(5):
        try:
            call()
        except Exception as error:
            outcomes.append(type(error).__name__)
    breaker = CircuitBreakerMonitor.get(name)
    print(f"{name}: {breaker.state}, {breaker.failure_count} failures: {' '.join(outcomes)}")
PY
PYTHONPATH=root/usr/lib/python3/dist-packages python3 find.py | tee output
diff output - <<'EXPECTED'
sync: open, 3 failures: ConnectionError ConnectionError ConnectionError CircuitBreakerError CircuitBreakerError
async: closed, 0 failures: ConnectionError ConnectionError ConnectionError ConnectionError ConnectionError
EXPECTED
