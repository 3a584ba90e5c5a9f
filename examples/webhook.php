<?php
// Receives and verifies webhooks of oncekey, with PHP 8: php -S 127.0.0.1:3000 webhook.php
declare(strict_types=1);

const TOLERANCE_S = 300;
const MAX_BODY_BYTES = 100_000;

function verified(string $secret, string $body): bool
{
    $id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
    $timestamp = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
    if (!preg_match('/^[0-9]{1,12}$/D', $timestamp) || abs(time() - (int) $timestamp) > TOLERANCE_S) return false;
    $key = base64_decode(preg_replace('/^whsec_/', '', $secret), true);
    if ($key === false || $key === '') throw new RuntimeException('ONCEKEY_WEBHOOK_SECRET is no whsec_...');
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
    // Several while the secret rotates: one that matches is enough. hash_equals takes the same time whatever is equal.
    $found = false;
    foreach (explode(' ', $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '') as $one) {
        if (hash_equals($expected, $one)) $found = true;
    }
    return $found;
}

// The bytes as they came. What is longer has another signature.
$body = (string) file_get_contents('php://input', false, null, 0, MAX_BODY_BYTES);
if (!verified((string) getenv('ONCEKEY_WEBHOOK_SECRET'), $body)) {
    http_response_code(401);
    return;
}
http_response_code(204);
// Do each id once: an event may come again. Keep the id together with what you do, and work after the response.
$event = json_decode($body, true, 64, JSON_THROW_ON_ERROR);
file_put_contents('php://stdout', "{$event['type']} {$event['id']}\n");
