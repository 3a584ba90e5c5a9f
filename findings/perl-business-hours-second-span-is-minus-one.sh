#!/usr/bin/env bash
# libbusiness-hours-perl 0.13 (Debian 12): the second between() gives -1, one second is two, and holidays of the years between count as work.
#
# Guess: between(start, end) gives the business seconds of the two times, whatever was asked before. A holiday '12-25' is free in
#   each year.
# What happens: the first call keeps its span. Each later call that begins before it or ends behind it gives -1, which looks like a
#   number. A call of first_after or add_seconds moves the kept span, so that the same call gives another result afterwards. Both ends
#   count: from 10:00:00 to 10:00:01 there are 2 seconds. Of a span of three years or more only the first and the last year have holidays.
# Why it matters: the hours that are left to answer a dispute or a ticket are summed over many of them; each but the first adds -1, and
#   the total looks good. Call for_timespan() before each between(), or make a new object.
# Needs apt-get of Debian 12, and Perl; installs nothing outside a temporary folder. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q libbusiness-hours-perl=0.13-2 libset-intspan-perl=1.19-3 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >find.pl <<'PL'
use strict;
use warnings;
use Business::Hours;
use Time::Local;

sub at { my ($year, $month, $day, $hour, $second) = @_; return timelocal($second // 0, 0, $hour, $day, $month - 1, $year) }
sub hours { my $seconds = shift; return $seconds < 3600 ? "$seconds seconds" : sprintf('%.2f hours', $seconds / 3600) }

my @monday = (at(2026, 11, 30, 10), at(2026, 11, 30, 12));
my @tuesday = (at(2026, 12, 1, 10), at(2026, 12, 1, 12));
my $hours = Business::Hours->new;
print 'Monday, 10 to 12: ', hours($hours->between(@monday)), "\n";
print 'Tuesday, 10 to 12: ', hours($hours->between(@tuesday)), "\n";
print 'Tuesday, 10 to 12, new object: ', hours(Business::Hours->new->between(@tuesday)), "\n";
$hours->first_after($tuesday[0]);
print 'After first_after(Tuesday): Monday ', hours($hours->between(@monday)), ', Tuesday ', hours($hours->between(@tuesday)), "\n";
print '10:00:00 to 10:00:01: ', Business::Hours->new->between($monday[0], $monday[0] + 1), " seconds\n";
my @christmas = map { [at($_, 12, 25, 0), at($_, 12, 25, 23)] } 2025 .. 2030;
for my $last (2026, 2027, 2030) {
    my $years = Business::Hours->new;
    $years->holidays('12-25');
    $years->for_timespan(Start => at(2025, 12, 1, 0), End => at($last, 12, 31, 0));
    my @worked = grep { $_ <= $last && $years->between(@{ $christmas[$_ - 2025] }) > 0 } 2025 .. 2030;
    print "2025 to $last: Christmas is worked in ", join(', ', @worked) || 'no year', "\n";
}
PL
TZ=UTC perl -I root/usr/share/perl5 find.pl | tee output
diff output - <<'EXPECTED'
Monday, 10 to 12: 2.00 hours
Tuesday, 10 to 12: -1 seconds
Tuesday, 10 to 12, new object: 2.00 hours
After first_after(Tuesday): Monday -1 seconds, Tuesday 2.00 hours
10:00:00 to 10:00:01: 2 seconds
2025 to 2026: Christmas is worked in no year
2025 to 2027: Christmas is worked in 2026
2025 to 2030: Christmas is worked in 2026, 2028, 2029
EXPECTED
