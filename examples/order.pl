# Places an order once and looks it up, with the core modules of Perl: perl order.pl [KEY]
use strict;
use warnings;
use utf8;
use Digest::SHA qw(sha256_hex hmac_sha256_hex);
use HTTP::Tiny;
use JSON::PP qw(encode_json decode_json);
use Time::HiRes qw(sleep);

my $url    = $ENV{ONCEKEY_URL}    // 'http://127.0.0.1:8080';
my $client = $ENV{ONCEKEY_CLIENT} // 'default';
my $secret = $ENV{ONCEKEY_SECRET} // 'super-secret-key';
my $http   = HTTP::Tiny->new(timeout => 15, max_redirect => 0);

sub signature {
    my ($method, $target, $key, $body) = @_;
    my $t = time;
    my $text = join "\n", 'v1', $t, $method, $target, $client, $key, sha256_hex($body);
    return "t=$t,v1=" . hmac_sha256_hex($text, $secret);
}

sub attempt {
    my ($method, $target, $key, $body) = @_;
    my %headers = ('X-Client-Id' => $client, 'X-Signature' => signature($method, $target, $key, $body));
    $headers{'Idempotency-Key'} = $key if $key ne '';
    my %options = (headers => \%headers);
    if ($body ne '') {
        $headers{'Content-Type'} = 'application/json';
        $options{content} = $body;
    }
    my $response = $http->request($method, "$url$target", \%options);
    # 599: there was no response.
    my $status = $response->{status} == 599 ? 0 : $response->{status};
    return ($status, $response->{content}, $response->{headers}{'retry-after'});
}

sub passing {
    my ($status, $received) = @_;
    return $received !~ /"retryable":false/ if $status =~ /^(0|408|425|429|500|502|503|504)$/;
    return $status == 409 && decode_json($received)->{code} =~ /^(request_in_progress|outcome_unknown)$/;
}

# Sends the same key and the same bytes until there is a final response; each attempt is signed anew.
sub send_once {
    my ($method, $target, $key, $body) = @_;
    my ($status, $received, $wait);
    for my $n (0 .. 9) {
        ($status, $received, $wait) = attempt($method, $target, $key, $body);
        last unless passing($status, $received);
        print STDERR 'attempt ', $n + 1, ": status $status\n";
        my $ceiling = 0.2 * 2**$n;
        sleep($wait // rand($ceiling < 10 ? $ceiling : 10));
    }
    print "$status $received\n";
    exit 1 unless $status =~ /^2/;
    return;
}

my $key = $ARGV[0] // sha256_hex(join ' ', time, $$, rand);
# encode_json writes UTF-8 bytes: they are what is signed and what is sent.
send_once('POST', '/orders', $key, encode_json({ user_id => 'user-1', item => 'Käse', amount => '19.90' }));
send_once('GET', '/orders?' . $http->www_form_urlencode({ idempotency_key => $key }), '', '');
