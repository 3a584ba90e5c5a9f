#!/usr/bin/env bash
# libtheschwartz-perl 1.12 (Debian 12): max_retries is never reached when the retries take longer than a week.
#
# Guess: a job with max_retries of 10 and a retry_delay of one day is given up after eleven runs, as with an hour: it is "marked as
#   completed with errors and removed from the queue".
# What happens: the failures are counted from the table of errors, and each failure removes the errors that are older than seven days from
#   it. With a day between the runs there are never more than eight of them: after 100 runs the job is still there. Any delay works
#   like that if 10 of it are more than a week, also one that grows.
# Why it matters: long delays are for what must not be lost, and the end of the retries is where somebody is told. The job runs for years,
#   and its first errors, which say what went wrong, are gone. Keep max_retries * retry_delay below seven days, or count in the job.
# Needs apt-get of Debian 12 on amd64 or arm64, and Perl 5.36; installs nothing outside a temporary folder. Fails when the behaviour
# changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q libtheschwartz-perl=1.12-2 libdata-objectdriver-perl=0.22-1 libdbd-sqlite3-perl libdbi-perl libsqlite3-0 \
  libclass-accessor-perl libclass-data-inheritable-perl libclass-trigger-perl libsub-name-perl 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >Queue.pm <<'PL'
package Queue;
use strict;
use warnings;
use DBI;

# A database file with the tables of TheSchwartz.
sub open {
    my ($file) = @_;
    my $database = DBI->connect("dbi:SQLite:dbname=$file", q{}, q{}, { RaiseError => 1 });
    $database->do($_) for (
        "CREATE TABLE funcmap (funcid INTEGER PRIMARY KEY AUTOINCREMENT, funcname TEXT NOT NULL UNIQUE)",
        "CREATE TABLE job (jobid INTEGER PRIMARY KEY AUTOINCREMENT, funcid INTEGER NOT NULL, arg BLOB, uniqkey TEXT,
           insert_time INTEGER, run_after INTEGER NOT NULL, grabbed_until INTEGER NOT NULL, priority INTEGER, coalesce TEXT,
           UNIQUE (funcid, uniqkey))",
        "CREATE TABLE error (error_time INTEGER NOT NULL, jobid INTEGER NOT NULL, message TEXT NOT NULL, funcid INTEGER NOT NULL)",
        "CREATE TABLE exitstatus (jobid INTEGER PRIMARY KEY, funcid INTEGER NOT NULL, status INTEGER, completion_time INTEGER,
           delete_after INTEGER)",
    );
    return $database;
}

1;
PL
cat >find.pl <<'PL'
use strict;
use warnings;
use Queue;
use TheSchwartz;
use TheSchwartz::Worker;

my ($delay, $runs);

package Report;
use parent -norequire, 'TheSchwartz::Worker';

sub max_retries { return 10 }
sub retry_delay { return $delay }

sub work {
    $runs++;
    die "unavailable\n";
}

package main;
for ([hour => 3_600], [day => 86_400]) {
    (my $name, $delay) = @$_;
    my $database = Queue::open("queue-$name");
    my $client = TheSchwartz->new(databases => [{ dsn => "dbi:SQLite:dbname=queue-$name" }]);
    $client->can_do('Report');
    $client->insert('Report', {});
    $runs = 0;
    while ($runs < 100 && $client->work_once) {
        # Lets the time of the delay pass: all that is stored becomes older.
        $database->do("UPDATE job SET run_after = run_after - $delay, insert_time = insert_time - $delay");
        $database->do("UPDATE error SET error_time = error_time - $delay");
    }
    my ($jobs) = $database->selectrow_array('SELECT count(*) FROM job');
    print "max_retries 10, retry_delay one $name: $runs runs, ", $jobs ? 'still in the queue' : 'given up', "\n";
}
PL
libraries=$(dirname "$(find "$folder/root" -name libsqlite3.so.0)")
LD_LIBRARY_PATH=$libraries perl -I . -I root/usr/share/perl5 -I "$libraries/perl5/5.36" find.pl | tee output
diff output - <<'EXPECTED'
max_retries 10, retry_delay one hour: 11 runs, given up
max_retries 10, retry_delay one day: 100 runs, still in the queue
EXPECTED
