#!/usr/bin/env bash
# libalgorithm-backoff-perl 0.009 (Debian 12), consider_actual_delay: after one slow attempt the next failures have no wait at all.
#
# Guess: with a delay of 2 seconds and an attempt that took longer, the next wait is 0, as the documentation says, and the one after
#   that is 2 seconds again.
# What happens: the time that was too long is kept as a debt, and each failure pays 2 seconds of it. After one attempt of 100 seconds
#   50 failures in a row return 0, after one of 1,000 seconds 502. Exponential pays with its bigger waits: 1, 2, 4, then a slow
#   attempt of 60 seconds, and three failures return 0.
# Why it matters: a service that is down answers slowly first (a timeout) and then refuses at once. The client hammers it exactly
#   then, and `max_attempts` is used up within a moment. Without consider_actual_delay, the default, all waits are right.
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
use Algorithm::Backoff::Constant;
use Algorithm::Backoff::Exponential;

# failure() takes the time of the failure. Each client waits for as long as the object says, and fails a hundredth of a second later.
sub run {
    my ($name, $backoff, $before, $slow) = @_;
    my $now = 1_000_000;
    $now += $backoff->failure($now) + 0.01 for 1 .. $before;
    $now += $slow;
    my $zero = 0;
    while ((my $wait = $backoff->failure($now)) == 0) {
        $zero++;
        $now += $wait + 0.01;
    }
    printf "%s, an attempt of %d s: %d failures without a wait\n", $name, $slow, $zero;
}
for my $slow (1, 10, 100, 1_000) {
    run('constant, 2 s', Algorithm::Backoff::Constant->new(delay => 2, consider_actual_delay => 1), 1, $slow);
}
run('exponential', Algorithm::Backoff::Exponential->new(initial_delay => 1, consider_actual_delay => 1), 3, 60);
PL
perl -I root/usr/share/perl5 find.pl | tee output
diff output - <<'EXPECTED'
constant, 2 s, an attempt of 1 s: 0 failures without a wait
constant, 2 s, an attempt of 10 s: 5 failures without a wait
constant, 2 s, an attempt of 100 s: 50 failures without a wait
constant, 2 s, an attempt of 1000 s: 502 failures without a wait
exponential, an attempt of 60 s: 3 failures without a wait
EXPECTED
