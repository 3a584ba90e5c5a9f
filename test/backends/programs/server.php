<?php
// For `php -S`. What the paths mean is in acts.js.
const LARGE = 104857600;
$ledger = getenv('LEDGER');
$name = basename(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH));
$key = $_SERVER['HTTP_IDEMPOTENCY_KEY'] ?? '-';
$user = $_SERVER['HTTP_X_USER'] ?? '-';
$bytes = 0;
$input = fopen('php://input', 'r');
while (($piece = fread($input, 65536)) !== false && $piece !== '') $bytes += strlen($piece);
// PHP has parsed a form by itself, and shows no bytes of it.
if ($bytes === 0 && count($_FILES) > 0) $bytes = (int) $_SERVER['CONTENT_LENGTH'];
while (ob_get_level() > 0) ob_end_clean();

function half($ledger, $key) {
    flush();
    file_put_contents($ledger, "half $key\n", FILE_APPEND);
    sleep(60);
}
if ($name === 'flaky' && @fopen("$ledger.$key", 'x') !== false) {
    http_response_code(503);
    echo 'not now';
    return;
}
$id = bin2hex(random_bytes(16));
file_put_contents($ledger, "run $key $user $id\n", FILE_APPEND);
$text = json_encode(['key' => $key, 'user' => $user, 'id' => $id, 'bytes' => $bytes]);
header('Content-Type: ' . (str_ends_with($name, 'events') ? 'text/event-stream' : 'application/json'));
switch ($name) {
    case 'empty': return;
    case 'no-content': http_response_code(204); return;
    case 'not-modified': http_response_code(304); header('ETag: "1"'); return;
    case 'chunked':
        foreach ([substr($text, 0, 10), substr($text, 10, 10), substr($text, 20)] as $piece) { echo $piece; flush(); }
        return;
    case 'events':
        foreach ([1, 2, 3] as $n) { echo "data: $n\n\n"; flush(); }
        return;
    case 'large':
        header('Content-Length: ' . LARGE);
        for ($sent = 0; $sent < LARGE; $sent += 65536) { echo str_repeat('x', 65536); flush(); }
        return;
    case 'half-length': header('Content-Length: 1000'); echo str_repeat('x', 500); half($ledger, $key); return;
    case 'half-large': header('Content-Length: ' . LARGE); echo str_repeat('x', 500); half($ledger, $key); return;
    case 'half-chunked': echo str_repeat('x', 500); half($ledger, $key); return;
    case 'half-events': echo "data: 1\n\n"; half($ledger, $key); return;
    case 'wait': sleep(60);
}
http_response_code(201);
header('Content-Length: ' . strlen($text));
echo $text;
