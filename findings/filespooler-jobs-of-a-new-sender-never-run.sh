#!/usr/bin/env bash
# filespooler 1.2.2 (Debian 12): jobs of a sender that starts anew are never run and give no error; a packet that comes twice stops the queue.
#
# Guess: each packet has an id of its own. A packet that is delivered twice runs once. When the sender loses its file with the
#   sequence number (a new container), its jobs are refused, or run in the order in which they came.
# What happens: only the sequence number counts. The new sender begins with 1, the queue waits for 4: queue-process exits with 0, says
#   nothing and runs nothing, and the jobs stay in queue-ls. From 4 on they run; 1 to 3 never do. A second copy of a packet that was
#   run stays there in the same way. Two copies of one number stop the whole queue: no job runs, not even those in front of it, until
#   a person deletes a file. With --order-by timestamp each copy runs.
# Why it matters: packets travel by means that deliver at least once (rsync, mail, a retry over ssh). A payment is lost in silence, or
#   all payments wait. Keep the sequence file of the sender, look for numbers in queue-ls below queue-get-next, and let the job check
#   its id.
# Needs apt-get of Debian 12 on x64; installs nothing outside a temporary folder. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q filespooler=1.2.2-2+b2 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done
PATH="$folder/root/usr/bin:$PATH"

prepare() { echo "pay $1" | fspl prepare --seqfile "$2" --input - >"packet-$1"; }
deliver() { for number in "$@"; do fspl queue-write --queuedir queue <"packet-$number"; done; }
process() {
  local status=0
  fspl queue-process --queuedir queue "$@" cat >out 2>error || status=$?
  echo "$(paste -sd, out | sed 's/^$/nothing runs/; s/,/, /g'); exit $status; $(fspl queue-ls --queuedir queue | tail -n +2 | wc -l) in the queue"
}
{
  fspl queue-init --queuedir queue
  for number in 1 2 3; do prepare $number sequence; done
  deliver 1 2 3
  echo "pay 1 to 3: $(process); the queue waits for number $(fspl queue-get-next --queuedir queue)"
  for number in 4 5 6 7; do prepare $number new-sequence; done
  deliver 4 5 6
  echo "pay 4 to 6 from a new sender: $(process)"
  deliver 7
  echo "pay 7 from the new sender: $(process)"

  rm -rf queue
  fspl queue-init --queuedir queue
  for number in 8 9; do prepare $number another-sequence; done
  deliver 8 9 9
  echo "pay 8 and 9, and 9 comes twice: $(process)"
  sed 's/fspl-[-0-9a-f]*\.fspl/FILE/g' error
  echo "the same ordered by the time: $(process --order-by timestamp)"
  deliver 9
  echo "9 comes once more: $(process)"
} | tee output
diff output - <<'EXPECTED'
pay 1 to 3: pay 1, pay 2, pay 3; exit 0; 0 in the queue; the queue waits for number 4
pay 4 to 6 from a new sender: nothing runs; exit 0; 3 in the queue
pay 7 from the new sender: pay 7; exit 0; 3 in the queue
pay 8 and 9, and 9 comes twice: nothing runs; exit 1; 3 in the queue
Error: Attempted to process "FILE" with seq 2, which was already seen in "FILE"
the same ordered by the time: pay 8, pay 9, pay 9; exit 0; 0 in the queue
9 comes once more: nothing runs; exit 0; 1 in the queue
EXPECTED
