#!/usr/bin/env bash
# python3-ratelimiter 1.2.0 (Debian 12): calls that are in flight are not counted, so that threads together pass any limit.
#
# Guess: RateLimiter(max_calls=2, period=1) lets two calls begin in a second, from however many threads; it has a lock for
#   them.
# What happens: a call is counted when it ends. Ten threads that come together all begin at once, since none has ended. One
#   by one, two calls of 0.3 s each are followed by the next a second after the first has ended. With `async with` the work
#   is done, and then NameError is raised: a patch of Debian for Python 3.11 names a class that does not exist.
# Why it matters: a client that is limited for its partner's sake sends its whole burst, the more so the slower the partner
#   responds, and gets 429.
# Needs apt-get of Debian 12, and Python 3; installs nothing outside a temporary folder. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q python3-ratelimiter=1.2.0.post0-4 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >find.py <<'PY'
import asyncio
import threading
import time
from ratelimiter import RateLimiter


def begun(together):
    """How many of six calls began in the first 0.9 seconds."""
    limiter = RateLimiter(max_calls=2, period=2)
    times = []

    def call():
        with limiter:
            times.append(time.monotonic())
            time.sleep(0.3)

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
        if not together:
            thread.join()
    for thread in threads:
        thread.join()
    return sum(each - times[0] < 0.9 for each in times)


async def with_async():
    async with RateLimiter(max_calls=2, period=1):
        print("async: the work is done")


print(f"one by one: {begun(False)} begin at once")
print(f"together: {begun(True)} begin at once")
try:
    asyncio.run(with_async())
except NameError as error:
    print(f"async: {error}")
PY
PYTHONPATH=root/usr/lib/python3/dist-packages python3 find.py | tee output
diff output - <<'EXPECTED'
one by one: 2 begin at once
together: 6 begin at once
async: the work is done
async: name 'AsyncRateLimiter' is not defined
EXPECTED
