#!/usr/bin/perl
# A CGI program (RFC 3875). Its ledger is beside it. What the paths mean is in acts.js.
use strict;
use warnings;
use Fcntl;
use File::Basename;
$| = 1;
my $large = 104857600;
my $ledger = dirname($0) . '/ledger';
my $name = basename($ENV{PATH_INFO} // '');
my $key = $ENV{HTTP_IDEMPOTENCY_KEY} // '-';
my $user = $ENV{HTTP_X_USER} // '-';

sub note {
    sysopen(my $file, $ledger, O_WRONLY | O_APPEND | O_CREAT, 0666) or die $!;
    syswrite($file, "$_[0]\n");
    close($file);
}

my $bytes = 0;
if (($ENV{REQUEST_METHOD} // '') eq 'POST') {
    my $left = $ENV{CONTENT_LENGTH};
    $left = undef if defined $left && $left eq '';
    while (!defined $left || $left > 0) {
        my $got = sysread(STDIN, my $piece, defined $left && $left < 65536 ? $left : 65536);
        last unless $got;
        $bytes += $got;
        $left -= $got if defined $left;
    }
}
if ($name eq 'flaky' && sysopen(my $marker, "$ledger.$key", O_WRONLY | O_CREAT | O_EXCL)) {
    print "Status: 503 Service Unavailable\r\nContent-Type: text/plain\r\n\r\nnot now";
    exit;
}
my $id = join '', map { sprintf '%08x', int rand 0xffffffff } 1 .. 4;
note("run $key $user $id");
my $text = qq({"key":"$key","user":"$user","id":"$id","bytes":$bytes});
my $type = $name =~ /events$/ ? 'text/event-stream' : 'application/octet-stream';
my $block = 'x' x 65536;

sub head {
    my ($status, @lines) = @_;
    print join("\r\n", "Status: $status", @lines), "\r\n\r\n";
}

sub half {
    note("half $key");
    sleep 60;
}

if ($name eq 'empty') { head('200 OK', 'Content-Type: text/plain', 'Content-Length: 0') }
elsif ($name eq 'no-content') { head('204 No Content') }
elsif ($name eq 'not-modified') { head('304 Not Modified', 'ETag: "1"') }
elsif ($name eq 'chunked') {
    head('200 OK', "Content-Type: $type");
    print for substr($text, 0, 10), substr($text, 10, 10), substr($text, 20);
}
elsif ($name eq 'events') {
    head('200 OK', "Content-Type: $type");
    print "data: $_\n\n" for 1 .. 3;
}
elsif ($name eq 'large') {
    head('200 OK', "Content-Type: $type", "Content-Length: $large");
    print $block for 1 .. $large / 65536;
}
elsif ($name =~ /^half-(.*)/) {
    my @length = $1 eq 'length' ? ('Content-Length: 1000') : $1 eq 'large' ? ("Content-Length: $large") : ();
    head('200 OK', "Content-Type: $type", @length);
    print $1 eq 'events' ? "data: 1\n\n" : substr($block, 0, 500);
    half();
}
else {
    sleep 60 if $name eq 'wait';
    head('201 Created', 'Content-Type: application/json', 'Content-Length: ' . length $text);
    print $text unless $ENV{REQUEST_METHOD} eq 'HEAD';
}
