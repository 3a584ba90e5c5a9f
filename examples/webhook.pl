# Receives and verifies webhooks of oncekey, with the core modules of Perl: perl webhook.pl
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256);
use IO::Socket::INET;
use JSON::PP qw(decode_json);
use MIME::Base64 qw(decode_base64 encode_base64);

my $secret = $ENV{ONCEKEY_WEBHOOK_SECRET} // die "ONCEKEY_WEBHOOK_SECRET is not set: the whsec_... of the endpoint\n";
my $key    = decode_base64($secret =~ s/^whsec_//r);
my $tolerance_s    = 300;
my $max_body_bytes = 100_000;

# It takes the same time whatever is equal.
sub same {
    my ($expected, $given) = @_;
    return length $expected == length $given && unpack('%32C*', $expected ^ $given) == 0;
}

sub verified {
    my ($headers, $body) = @_;
    my ($id, $timestamp, $signatures) = map { $headers->{$_} // '' } qw(webhook-id webhook-timestamp webhook-signature);
    return 0 if $timestamp !~ /\A[0-9]{1,12}\z/ || abs(time - $timestamp) > $tolerance_s;
    my $expected = 'v1,' . encode_base64(hmac_sha256("$id.$timestamp.$body", $key), '');
    # Several while the secret rotates: one that matches is enough.
    return scalar grep { same($expected, $_) } split / /, $signatures;
}

sub receive {
    my ($connection) = @_;
    local $/ = "\r\n";
    my $request = <$connection>;
    my %headers;
    while (defined(my $line = <$connection>)) {
        last if $line eq "\r\n" || keys %headers > 100;
        $headers{ lc $1 } = $2 if $line =~ /\A([^:]+):[ \t]*(.*?)[ \t]*\r\n\z/;
    }
    # The bytes as they came. What is longer has another signature.
    my $length = ($headers{'content-length'} // '') =~ /\A([0-9]{1,12})\z/ ? $1 : 0;
    $length = $max_body_bytes if $length > $max_body_bytes;
    my $body = '';
    while (length $body < $length) { last unless read $connection, $body, $length - length $body, length $body }
    my $ok = verified(\%headers, $body);
    print {$connection} 'HTTP/1.1 ', $ok ? '204 No Content' : '401 Unauthorized', "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    close $connection;
    return if !$ok;
    # Do each id once: an event may come again. Keep the id together with what you do, and work after the response.
    my $event = decode_json($body);
    print "$event->{type} $event->{id}\n";
    return;
}

# One at a time, 15 s at most. Behind a web server PSGI does what is done by hand here.
$| = 1;
local $SIG{PIPE} = 'IGNORE';
local $SIG{ALRM} = sub { die "timeout\n" };
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $ENV{PORT} // 3000, Listen => 16, ReuseAddr => 1)
    or die "cannot listen: $@\n";
while (1) {
    my $connection = $server->accept or next;
    eval { alarm 15; receive($connection); 1 } or warn $@;
    alarm 0;
}
