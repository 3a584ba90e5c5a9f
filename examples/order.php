<?php
// Places an order once and looks it up, with PHP 8 and its curl extension: php order.php [KEY]
declare(strict_types=1);

define('URL', getenv('ONCEKEY_URL') ?: 'http://127.0.0.1:8080');
define('CLIENT', getenv('ONCEKEY_CLIENT') ?: 'default');
define('SECRET', getenv('ONCEKEY_SECRET') ?: 'super-secret-key');

function signature(string $method, string $target, string $key, string $body): string
{
    $t = (string) time();
    $text = implode("\n", ['v1', $t, $method, $target, CLIENT, $key, hash('sha256', $body)]);
    return "t=$t,v1=" . hash_hmac('sha256', $text, SECRET);
}

function attempt(string $method, string $target, string $key, string $body): array
{
    $headers = ['X-Client-Id: ' . CLIENT, 'X-Signature: ' . signature($method, $target, $key, $body)];
    $wait = null;
    $curl = curl_init(URL . $target);
    curl_setopt_array($curl, [
        CURLOPT_CUSTOMREQUEST => $method,
        CURLOPT_PATH_AS_IS => true, // else curl resolves /../ after the target was signed
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 15,
        CURLOPT_HEADERFUNCTION => function ($_, string $line) use (&$wait): int {
            if (preg_match('/^retry-after: *(\d+)/i', $line, $found)) $wait = (int) $found[1];
            return strlen($line);
        },
    ]);
    if ($key !== '') $headers[] = "Idempotency-Key: $key";
    if ($body !== '') {
        $headers[] = 'Content-Type: application/json';
        curl_setopt($curl, CURLOPT_POSTFIELDS, $body);
    }
    curl_setopt($curl, CURLOPT_HTTPHEADER, $headers);
    $received = curl_exec($curl);
    return $received === false ? [0, curl_error($curl), null] : [curl_getinfo($curl, CURLINFO_RESPONSE_CODE), $received, $wait];
}

function passing(int $status, string $received): bool
{
    $problem = json_decode($received, true) ?? [];
    if (in_array($status, [0, 408, 425, 429, 500, 502, 503, 504], true)) return ($problem['retryable'] ?? true) === true;
    return $status === 409 && in_array($problem['code'] ?? '', ['request_in_progress', 'outcome_unknown'], true);
}

/** Sends the same key and the same bytes until there is a final response; each attempt is signed anew. */
function send(string $method, string $target, string $key = '', string $body = ''): void
{
    for ($n = 0; $n < 10; $n++) {
        [$status, $received, $wait] = attempt($method, $target, $key, $body);
        if (!passing($status, $received)) break;
        fwrite(STDERR, 'attempt ' . ($n + 1) . ": status $status\n");
        usleep($wait === null ? random_int(0, min(10_000, 200 * 2 ** $n) * 1_000) : $wait * 1_000_000);
    }
    echo "$status $received\n";
    if ($status < 200 || $status > 299) exit(1);
}

$key = $argv[1] ?? bin2hex(random_bytes(16));
send('POST', '/orders', $key, json_encode(['user_id' => 'user-1', 'item' => 'Käse', 'amount' => '19.90']));
send('GET', '/orders?' . http_build_query(['idempotency_key' => $key]));
