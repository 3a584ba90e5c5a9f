#!/usr/bin/env bash
# python3-backoff 2.2.1 (Debian 12): backoff.runtime calls again before the time that the server named: jitter and max_time cut it.
#
# Guess: on_predicate(backoff.runtime, value=...) waits as long as `value` says, which is what it is for: Retry-After. Where
#   max_time is less than that, it gives up, because no call within max_time can succeed.
# What happens: without `jitter=None` the wait is random between 0 and the value ("full jitter"). With max_time the wait is cut
#   to what is left of it, and there is one more call at that moment: after 10 s where the server said 60 s.
# Why it matters: calls that come too early are refused again, and many servers count them or extend the wait. The last one
#   is certain to be in vain.
# Needs apt-get of Debian 12, and Python 3; the clock is moved, nothing waits. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q python3-backoff=2.2.1-1 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >find.py <<'PY'
import datetime
import random
import time

import backoff

RETRY_AFTER = 60
random.seed(1)
start = datetime.datetime(2026, 1, 1)
clock = start


class Datetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return clock


def sleep(seconds):
    global clock
    clock += datetime.timedelta(seconds=seconds)


datetime.datetime = Datetime
time.sleep = sleep

for name, options in (
    ("jitter=None", {"jitter": None}),
    ("jitter=None, max_time=10", {"jitter": None, "max_time": 10}),
    ("the default jitter", {}),
):
    early = late = 0
    for _ in range(100):
        clock = start
        calls = []

        @backoff.on_predicate(
            backoff.runtime, predicate=lambda status: status == 429, value=lambda _: RETRY_AFTER, max_tries=2, **options
        )
        def call():
            calls.append((clock - start).total_seconds())
            return 429

        call()
        if calls[1] < RETRY_AFTER:
            early += 1
        else:
            late += 1
    last = f", the last one at {calls[1]:g} s" if "jitter" in options else ""
    print(f"{name}: {early} of 100 second calls before {RETRY_AFTER} s, {late} not before it{last}")
PY
PYTHONPATH=root/usr/lib/python3/dist-packages python3 find.py | tee output
diff output - <<'EXPECTED'
jitter=None: 0 of 100 second calls before 60 s, 100 not before it, the last one at 60 s
jitter=None, max_time=10: 100 of 100 second calls before 60 s, 0 not before it, the last one at 10 s
the default jitter: 100 of 100 second calls before 60 s, 0 not before it
EXPECTED
