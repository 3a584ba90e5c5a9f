#!/usr/bin/env bash
# libalgorithm-backoff-perl 0.009 (Debian 12), max_actual_duration: an object that is older than it gives up at the first failure, for ever.
#
# Guess: "the number of seconds for all of the attempts": the time since the first failure, and a success begins anew, as it does for
#   max_attempts ("after a success, the number of attempts is reset").
# What happens: the time is counted from new(), and a success does not reset it. When the object is older than max_actual_duration
#   each failure() returns -1, which means "give up", though the call before succeeded and nothing was ever tried again.
# Why it matters: success() and delay_on_success are there for an object that is used for a long time. In a worker that runs for a
#   minute with max_actual_duration 60 retries work in its first minute and never again. Make a new object for each task.
# Needs apt-get of Debian 12, and Perl; installs nothing outside a temporary folder. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q libalgorithm-backoff-perl=0.009-3 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >find.pl <<'PL'
use strict;
use warnings;
use Algorithm::Backoff::Exponential;

for my $options ([max_attempts => 3], [max_actual_duration => 4]) {
    my $backoff = Algorithm::Backoff::Exponential->new(initial_delay => 1, @$options);
    my @results;
    for (1 .. 4) {
        # One failure, and then a success: each task needs one retry.
        my $wait = $backoff->failure;
        push @results, $wait < 0 ? 'gives up' : "waits for $wait s";
        $backoff->success;
        sleep 2;
    }
    print "@$options: ", join(', ', @results), "\n";
}
PL
perl -I root/usr/share/perl5 find.pl | tee output
diff output - <<'EXPECTED'
max_attempts 3: waits for 1 s, waits for 1 s, waits for 1 s, waits for 1 s
max_actual_duration 4: waits for 1 s, waits for 1 s, gives up, gives up
EXPECTED
