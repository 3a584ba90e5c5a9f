#!/usr/bin/env bash
# libtheschwartz-perl 1.12 (Debian 12): with two databases a job with a uniqkey is accepted twice and run twice, with three three times.
#
# Guess: "at most one with the same uniqkey value can be posted to a single database". So a retry that reaches the database that has the
#   key is refused and returns nothing, as with one database, and one that reaches another by chance is a second job.
# What happens: insert() tries the databases in a random order until one takes the job. One that has the key refuses it, and this counts
#   like one that is down: the next one is tried, and takes it. So it is no matter of chance: of 20 keys, each sent five times, each
#   is accepted and run exactly as often as there are databases.
# Why it matters: the key is how a sender that retries avoids a second charge. Databases are added because of load or for when one fails,
#   which is what the list is for, and from then on every retry is a second job. Choose the database by a hash of the key.
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

my %runs;

package Charge;
use parent -norequire, 'TheSchwartz::Worker';

sub work {
    my ($class, $job) = @_;
    $runs{ $job->uniqkey }++;
    $job->completed;
}

package main;
require TheSchwartz::Worker;
for my $count (1 .. 3) {
    my @files = map { "queue-$count-$_" } 1 .. $count;
    Queue::open($_) for @files;
    my $client = TheSchwartz->new(databases => [map { { dsn => "dbi:SQLite:dbname=$_" } } @files]);
    $client->can_do('Charge');
    %runs = ();
    my $accepted = 0;
    for my $key (1 .. 20) {
        for (1 .. 5) {
            $accepted++ if $client->insert(TheSchwartz::Job->new(funcname => 'Charge', uniqkey => "order-$key"));
        }
    }
    $client->work_until_done;
    my %times = map { $_ => 1 } values %runs;
    print "databases: $count, of 20 keys sent 5 times $accepted accepted, runs for each key: ", join(' or ', sort keys %times), "\n";
}
PL
libraries=$(dirname "$(find "$folder/root" -name libsqlite3.so.0)")
LD_LIBRARY_PATH=$libraries perl -I . -I root/usr/share/perl5 -I "$libraries/perl5/5.36" find.pl | tee output
diff output - <<'EXPECTED'
databases: 1, of 20 keys sent 5 times 20 accepted, runs for each key: 1
databases: 2, of 20 keys sent 5 times 40 accepted, runs for each key: 2
databases: 3, of 20 keys sent 5 times 60 accepted, runs for each key: 3
EXPECTED
