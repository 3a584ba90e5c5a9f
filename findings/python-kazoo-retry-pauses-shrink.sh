#!/usr/bin/env bash
# python3-kazoo 2.8.0 (Debian 12), KazooRetry: with backoff=1 the pauses shrink at each attempt, down to microseconds.
#
# Guess: KazooRetry(delay=1, backoff=1, max_tries=-1, max_jitter=m) waits for 1 second each time, more or less by m: "percentage of
#   jitter to apply to each retry's delay". max_delay is the most, "regardless of other backoff settings".
# What happens: the pause with its jitter is the base of the next one, so jitter multiplies up. Chance makes it smaller more often than
#   larger: with the most jitter, 1.0, half of 2,000 clients wait for less than 3 ms at the 20th attempt, and for less than a
#   microsecond at the 50th. With the standard 0.4 it is 60 ms at the 100th. With backoff=2 the pauses grow, but the sixth is
#   anything between 3 and 84 seconds where 32 were planned. And the last jitter comes after max_delay: 84 seconds with 60.
# Why it matters: max_tries=-1 and a constant pause are for waiting until ZooKeeper is back. The longer it is away, the faster all
#   clients call, at last without a pause. Take backoff=1.4 or more, or max_jitter=0.
# Needs apt-get of Debian 12, and Python 3; installs nothing outside a temporary folder. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q python3-kazoo=2.8.0-2 python3-six 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >find.py <<'PY'
import random
from statistics import median

from kazoo.exceptions import ConnectionLoss
from kazoo.retry import KazooRetry, RetryFailedError

random.seed(1)
CLIENTS = 2_000


def fail():
    raise ConnectionLoss()


def run(attempts, **options):
    """The pauses of many clients, attempt by attempt."""
    all_pauses = []
    for _ in range(CLIENTS):
        pauses = []
        try:
            KazooRetry(max_tries=attempts, sleep_func=pauses.append, **options)(fail)
        except RetryFailedError:
            all_pauses.append(pauses)
    return list(zip(*all_pauses))


pauses = run(100, delay=1, backoff=1, max_jitter=1.0)
print(f"backoff 1, jitter 1.0: half wait less than {median(pauses[19]) * 1e3:.0f} ms at 20, {median(pauses[49]) * 1e6:.1f} us at 50")
pauses = run(100, delay=1, backoff=1)
print(f"backoff 1, jitter 0.4: half wait less than {median(pauses[19]) * 1e3:.0f} ms at 20, {median(pauses[99]) * 1e3:.0f} ms at 100")
pauses = run(10, delay=1, backoff=2)
print(f"backoff 2, jitter 0.4: 32 s planned at 6, {min(pauses[5]):.1f} to {max(pauses[5]):.0f} s; up to {max(pauses[9]):.0f} s at 10")
PY
PYTHONPATH=root/usr/lib/python3/dist-packages python3 find.py | tee output
diff output - <<'EXPECTED'
backoff 1, jitter 1.0: half wait less than 3 ms at 20, 0.3 us at 50
backoff 1, jitter 0.4: half wait less than 573 ms at 20, 59 ms at 100
backoff 2, jitter 0.4: 32 s planned at 6, 3.3 to 84 s; up to 84 s at 10
EXPECTED
