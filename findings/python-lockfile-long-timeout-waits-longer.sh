#!/usr/bin/env bash
# python3-lockfile 0.12.2 (Debian 12): the more time acquire() may take, the longer it waits for a lock that is free.
#
# Guess: acquire(timeout=60) looks every tenth of a second, as acquire() without a timeout does. It gets the lock soon after it is
#   released, and raises LockTimeout after 60 seconds otherwise.
# What happens: it sleeps for a tenth of the timeout between two looks. A lock that is released after half a second is acquired after 0.6
#   seconds without a timeout, after 1 second with 10, after 2 with 20 and after 6 with 60. With an hour that would be 6 minutes.
#   LinkLockFile (the default), MkdirLockFile and SQLiteLockFile alike. When it gives up it is up to a tenth too late.
# Why it matters: a long timeout is set so that a job waits for its turn. It leaves the lock unused for most of that time, and others
#   with a shorter timeout always come first. Loop over acquire(timeout=1), or take acquire(timeout=0) with pauses of your own.
# Needs apt-get of Debian 12, and Python 3; installs nothing outside a temporary folder. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q python3-lockfile=1:0.12.2-2.2 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >find.py <<'PY'
import threading
import time

from lockfile.linklockfile import LinkLockFile
from lockfile.mkdirlockfile import MkdirLockFile


def seconds(kind, timeout):
    holder = kind("file")
    # Each thread is a holder of its own.
    holder.acquire()

    def wait():
        other = kind("file")
        begun = time.monotonic()
        other.acquire(timeout=timeout)
        result.append(time.monotonic() - begun)
        other.release()

    result = []
    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.5)
    holder.release()
    thread.join()
    return round(result[0])


for kind in LinkLockFile, MkdirLockFile:
    for timeout in None, 20, 60:
        name = "no timeout" if timeout is None else f"timeout of {timeout} s"
        print(f"{kind.__name__}, {name}: acquired after {seconds(kind, timeout)} s")
PY
PYTHONPATH=root/usr/lib/python3/dist-packages python3 find.py | tee output
diff output - <<'EXPECTED'
LinkLockFile, no timeout: acquired after 1 s
LinkLockFile, timeout of 20 s: acquired after 2 s
LinkLockFile, timeout of 60 s: acquired after 6 s
MkdirLockFile, no timeout: acquired after 1 s
MkdirLockFile, timeout of 20 s: acquired after 2 s
MkdirLockFile, timeout of 60 s: acquired after 6 s
EXPECTED
