#!/usr/bin/env bash
# libschedule-ratelimiter-perl 0.01 (Debian 12): a limit of one event a second lets through two a second.
#
# Guess: event() sleeps until the limit allows the event, so that no span of a second has more than one.
# What happens: an event that had to wait is noted with the time at which its wait began, not that at which it took place.
#   It looks a second old at once, and the next event comes directly after it: seven events come at 0, 1, 1, 2, 2, 3 and 3
#   seconds. With 5 a second there are 6.
# Why it matters: a job that keeps to half of what its partner allows is still refused, and tests that look at the first two
#   events see the right pause.
# Needs apt-get of Debian 12, and Perl; installs nothing outside a temporary folder. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q libschedule-ratelimiter-perl=0.01-5 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >find.pl <<'PL'
use strict;
use warnings;
use Schedule::RateLimiter;
use Time::HiRes 'time';

my $limiter = Schedule::RateLimiter->new(seconds => 1, iterations => 1);
my ($last, @pauses);
for (1 .. 7) {
    $limiter->event;
    push @pauses, time - $last > 0.5 ? 'a second' : 'none' if $last;
    $last = time;
}
print 'Pauses between seven events: ', join(', ', @pauses), "\n";
PL
perl -I root/usr/share/perl5 find.pl | tee output
diff output - <<'EXPECTED'
Pauses between seven events: a second, none, a second, none, a second, none
EXPECTED
