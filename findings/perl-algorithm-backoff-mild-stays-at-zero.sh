#!/usr/bin/env bash
# libalgorithm-backoff-perl 0.009 (Debian 12), MILD and MIMD: after a good time they wait for nothing, however often there is a failure.
#
# Guess: a success makes the delay shorter, but not shorter than initial_delay, as the documentation says of both. The first failure
#   after it waits again, and the next ones wait longer.
# What happens: there is no such floor. MILD subtracts down to 0, and 0 times any multiple stays 0: from then on no failure is
#   followed by a wait, for the life of the object. MIMD halves at each success. After 1,000 successes it needs 989 failures in a row
#   to come back to a millisecond, after 2,000 it is 0 for ever.
# Why it matters: the object is made for a process that runs long, and is right in each test that begins with failures. The longer
#   all is well, the harder the client hits the server when it is not. Set `min_delay`.
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
use Algorithm::Backoff::MILD;
use Algorithm::Backoff::MIMD;

my @options = (initial_delay => 2, delay_multiple_on_failure => 2);
my @mild = (@options, delay_increment_on_success => -1);
my @mimd = (@options, delay_multiple_on_success => 0.5);
my %backoffs = (
    'MILD' => sub { Algorithm::Backoff::MILD->new(@mild) },
    'MILD with min_delay' => sub { Algorithm::Backoff::MILD->new(@mild, min_delay => 2) },
    'MIMD' => sub { Algorithm::Backoff::MIMD->new(@mimd) },
);
for my $name (sort keys %backoffs) {
    for my $successes (0, 1_000, 2_000) {
        my $backoff = $backoffs{$name}->();
        my $now = 1_000_000;
        $backoff->success($now++) for 1 .. $successes;
        my $failures = 1;
        $failures++ while $backoff->failure($now++) < 0.001 && $failures < 5_000;
        print "$name, $successes successes: ",
            $failures == 5_000 ? 'no wait in 5,000 failures' : "a wait of a millisecond or more at failure $failures", "\n";
    }
}
PL
perl -I root/usr/share/perl5 find.pl | tee output
diff output - <<'EXPECTED'
MILD, 0 successes: a wait of a millisecond or more at failure 1
MILD, 1000 successes: no wait in 5,000 failures
MILD, 2000 successes: no wait in 5,000 failures
MILD with min_delay, 0 successes: a wait of a millisecond or more at failure 1
MILD with min_delay, 1000 successes: a wait of a millisecond or more at failure 1
MILD with min_delay, 2000 successes: a wait of a millisecond or more at failure 1
MIMD, 0 successes: a wait of a millisecond or more at failure 1
MIMD, 1000 successes: a wait of a millisecond or more at failure 989
MIMD, 2000 successes: no wait in 5,000 failures
EXPECTED
