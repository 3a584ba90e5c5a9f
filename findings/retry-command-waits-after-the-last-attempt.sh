#!/usr/bin/env bash
# retry 1.0.5 (Debian 12, the command): after the last attempt it waits once more, says that it tries again, and ends.
#
# Guess: "--times: the number of times to retry the command". --times=1 --delay=3 runs it, waits for 3 seconds, runs it once more, and
#   returns its code at once when that fails as well.
# What happens: times counts all runs, so --times=1 is no retry at all. After the last one it prints "backing off for 3 seconds and
#   trying again", waits, and ends with the code of the run before. With --times=3 --delay=1,1,3 a command that fails takes five
#   seconds, of which three are for nothing; the third delay is never followed by a run.
# Why it matters: delays grow, so the one that is for nothing is the longest: with 1,2,4,...,64 a failure is reported a minute late, to a
#   script with a timeout of its own not at all. And who reads the log waits for a run that does not come.
# Needs apt-get of Debian 12 on amd64 or arm64; installs nothing outside a temporary folder. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q retry=1.0.5-3 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >command.sh <<'SH'
echo run >>runs
exit 7
SH
run() {
  : >runs
  local begun status=0
  begun=$(date +%s%N)
  root/usr/bin/retry "$@" -- sh command.sh 2>messages || status=$?
  echo "$*: $(wc -l <runs) runs, status $status, after $((($(date +%s%N) - begun) / 1000000000)) s, last message: $(tail -1 messages | sed 's/^[^:]*: //')"
}
{
  run --times=1 --delay=3
  run --times=3 --delay=1,1,3
} | tee output
diff output - <<'EXPECTED'
--times=1 --delay=3: 1 runs, status 7, after 3 s, last message: sh returned 7, backing off for 3 seconds and trying again...
--times=3 --delay=1,1,3: 3 runs, status 7, after 5 s, last message: sh returned 7, backing off for 3 seconds and trying again...
EXPECTED
