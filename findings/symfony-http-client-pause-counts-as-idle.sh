#!/usr/bin/env bash
# symfony/http-client 5.4.53 (Debian 12), RetryableHttpClient: a pause between two attempts that is longer than `timeout` ends the request.
#
# Guess: `timeout` is the idle time of a connection ("how many seconds to wait for the server"). While the client itself waits, for
#   Retry-After or its own backoff, nothing is idle. `maxDelayMs` of the strategy bounds each wait.
# What happens: the pause counts as idle time, and Retry-After is not bounded by maxDelayMs. With a timeout of 1.5 seconds and the
#   standard backoff (1, 2, 4 seconds) the client gives up within the second pause, after two of four attempts, and reports
#   "Idle timeout reached", though the server responded to each within milliseconds. Without `timeout` its default is
#   default_socket_timeout, 60 seconds: a response with "Retry-After: 120" is never retried, and the error comes after a minute.
# Why it matters: a short timeout is set so that slow servers are tried again; it makes those that are busy for two seconds fail, and the
#   log points to a server that does not respond. Keep `timeout` above the longest pause, and bound Retry-After in the strategy.
# Needs apt-get of Debian 12 on amd64 or arm64, and Node.js; everything is on loopback; installs nothing outside a temporary folder.
# Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q php8.2-cli=8.2.36-1~deb12u1 php-symfony-http-client=5.4.53+dfsg-0+deb12u1 php-symfony-http-client-contracts \
  php-symfony-service-contracts php-psr-log 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >server.js <<'JS'
const { createServer } = require('node:http')
let attempts = 0
const server = createServer((request, response) => {
  if (request.url === '/attempts') {
    response.end(String(attempts))
    attempts = 0
    return
  }
  attempts++
  response.writeHead(503, request.url === '/busy' ? {} : { 'Retry-After': '3' }).end()
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
setTimeout(process.exit, 120_000)
JS
cat >find.php <<'PHP'
<?php
use Symfony\Component\HttpClient\NativeHttpClient;
use Symfony\Component\HttpClient\Retry\GenericRetryStrategy;
use Symfony\Component\HttpClient\RetryableHttpClient;
use Symfony\Contracts\HttpClient\Exception\TransportExceptionInterface;

spl_autoload_register(function ($class) {
    $file = 'root/usr/share/php/'.str_replace('\\', '/', $class).'.php';
    if (is_file($file)) include $file;
});
function run(string $name, string $path, GenericRetryStrategy $strategy, array $options): void
{
    global $argv;
    $begun = microtime(true);
    $client = new RetryableHttpClient(new NativeHttpClient(), $strategy);
    try {
        $result = $client->request('GET', $argv[1].$path, $options)->getStatusCode();
    } catch (TransportExceptionInterface $exception) {
        $result = trim(strtok($exception->getMessage(), '"'));
    }
    $seconds = floor(microtime(true) - $begun);
    $attempts = file_get_contents($argv[1].'/attempts');
    echo "$name: $result, $attempts attempts, $seconds s\n";
}

run('backoff, timeout 30 s', '/busy', new GenericRetryStrategy(jitter: 0), ['timeout' => 30]);
run('backoff, timeout 1.5 s', '/busy', new GenericRetryStrategy(jitter: 0), ['timeout' => 1.5]);
run('Retry-After of 3 s, maxDelayMs 100', '/later', new GenericRetryStrategy(maxDelayMs: 100), ['timeout' => 30]);
ini_set('default_socket_timeout', 2);
run('Retry-After of 3 s, default_socket_timeout 2 s', '/later', new GenericRetryStrategy(), []);
PHP
mkfifo port
node server.js >port &
pid=$!
read -r port_number <port
root/usr/bin/php8.2 -n find.php "http://127.0.0.1:$port_number" | tee output
diff output - <<'EXPECTED'
backoff, timeout 30 s: 503, 4 attempts, 7 s
backoff, timeout 1.5 s: Idle timeout reached for, 2 attempts, 2 s
Retry-After of 3 s, maxDelayMs 100: 503, 4 attempts, 9 s
Retry-After of 3 s, default_socket_timeout 2 s: Idle timeout reached for, 1 attempts, 2 s
EXPECTED
