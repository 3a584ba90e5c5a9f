#!/usr/bin/env bash
# symfony/rate-limiter 5.4.53 (Debian 12): a client that waits for as long as a token bucket says gets in after twice the time.
#
# Guess: getRetryAfter() is the time at which the next token is there; whoever comes then is let in, and who comes earlier
#   gets the time that is left.
# What happens: it is always a whole interval from now, however much of it is over, and rounded down to a whole second. So
#   the client comes a moment too early, is refused, and gets the whole interval again. A sliding window gives the right
#   time; a fixed window rounds down, too, and then asks for a second more.
# Why it matters: with one token an hour, a client that does what Retry-After says gets in after two hours. Add a second to
#   what getRetryAfter() says.
# Needs apt-get of Debian 12 on amd64 or arm64; installs nothing outside a temporary folder. Fails when the behaviour
# changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q php8.2-cli=8.2.36-1~deb12u1 php-symfony-rate-limiter=5.4.53+dfsg-0+deb12u1 php-symfony-options-resolver=5.4.53+dfsg-0+deb12u1 \
  php-symfony-lock=5.4.53+dfsg-0+deb12u1 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >find.php <<'PHP'
<?php
use Symfony\Component\RateLimiter\RateLimiterFactory;
use Symfony\Component\RateLimiter\Storage\InMemoryStorage;

spl_autoload_register(fn ($class) => include 'root/usr/share/php/'.str_replace('\\', '/', $class).'.php');
$policies = [
    'token_bucket' => ['rate' => ['interval' => '4 seconds', 'amount' => 1]],
    'sliding_window' => ['interval' => '4 seconds'],
];
foreach ($policies as $policy => $options) {
    $options += ['id' => $policy, 'policy' => $policy, 'limit' => 1];
    $limiter = (new RateLimiterFactory($options, new InMemoryStorage()))->create();
    // In the middle of a second, so that rounding shows.
    usleep((int) (1e6 * fmod(1.5 - fmod(microtime(true), 1), 1)));
    $limiter->consume();
    $waits = [];
    while (!($limit = $limiter->consume())->isAccepted()) {
        $wait = $limit->getRetryAfter()->format('U.u') - microtime(true);
        $waits[] = sprintf('%d s', ceil($wait));
        usleep((int) max(0, $wait * 1e6) + 1000);
    }
    echo "$policy: let in after ", implode(' and ', $waits), "\n";
}
PHP
root/usr/bin/php8.2 --version | head -1
root/usr/bin/php8.2 -n find.php | tee output
diff output - <<'EXPECTED'
token_bucket: let in after 4 s and 4 s
sliding_window: let in after 4 s
EXPECTED
