#!/usr/bin/env bash
# python3-retry 0.9.2 (Debian 12): jitter is added to all later delays, and one that goes both ways ends in a ValueError.
#
# Guess: jitter=(-0.5, 0.5) with a delay of 1 second makes each pause 0.5 to 1.5 seconds ("extra seconds added to delay between
#   attempts", "random if a range tuple").
# What happens: what was drawn stays in the delay and the next draw is added to it: a random walk. After 20 attempts the pause is
#   anything between 0 and over 5 seconds. Of 10,000 runs a third come below 0, and time.sleep() raises ValueError: the call is not tried
#   again, and the caller gets "sleep length must be non-negative" and not the error of the call. With backoff=2 and
#   jitter=(0, 1) each second that was drawn is doubled at every later attempt: the pause after the ninth failure is not
#   256 to 257 seconds but about 380. The first pause has no jitter at all.
# Why it matters: a short outage is retried as planned; in a long one the pauses wander off, and some processes die of another error.
# Needs apt-get of Debian 12, and Python 3; installs nothing outside a temporary folder. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q python3-retry=0.9.2-2 python3-decorator python3-py 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >find.py <<'PY'
import random
import sys
import time
from collections import Counter

from retry.api import retry_call

random.seed(1)
pauses = []


def sleep(seconds):
    # What time.sleep() does with a pause, without the pause.
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    pauses.append(seconds)


def fail():
    raise ConnectionError("unavailable")


def run(**options):
    pauses.clear()
    try:
        retry_call(fail, exceptions=ConnectionError, logger=None, **options)
    except Exception as error:
        return type(error).__name__


time.sleep = sleep
runs = 10_000
errors, latest = Counter(), []
for _ in range(runs):
    errors[run(tries=20, delay=1, jitter=(-0.5, 0.5))] += 1
    latest.append(max(pauses))
print(f"20 tries with 1 s and jitter of 0.5 s: {100 * errors['ValueError'] / runs:.0f} % end with ValueError")
print(f"the longest pause is {max(latest):.1f} s")
first, ninth = set(), 0.0
for _ in range(runs):
    run(tries=10, delay=1, backoff=2, jitter=(0, 1))
    first.add(pauses[0])
    ninth += pauses[8] / runs
print(f"backoff of 2, jitter of 0 to 1 s: the first pause is {first}, the ninth is {round(ninth, -1):.0f} s on average")
PY
PYTHONPATH=root/usr/lib/python3/dist-packages python3 find.py | tee output
diff output - <<'EXPECTED'
20 tries with 1 s and jitter of 0.5 s: 35 % end with ValueError
the longest pause is 5.6 s
backoff of 2, jitter of 0 to 1 s: the first pause is {1}, the ninth is 380 s on average
EXPECTED
