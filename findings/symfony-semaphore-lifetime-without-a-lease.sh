#!/usr/bin/env bash
# symfony/semaphore 5.4.53 (Debian 12) on Redis: acquire() of a semaphore that one holds renews its lifetime in the process, not in Redis.
#
# Guess: acquire() once more is as with symfony/lock, whose interface it copies: the time to live begins anew in Redis, and
#   getRemainingLifetime() and isExpired() report that. Or it changes nothing.
# What happens: the script in Redis returns "acquired" and leaves the expiry as it is. The process sets its own to the whole time to
#   live. After 3 seconds of a semaphore of 3 seconds, acquired again at 2, the process has 2 seconds left, isExpired() and
#   isAcquired() say it holds it, and in Redis it ended. Only refresh() renews both.
# Why it matters: a worker that calls acquire() in its loop, as is right for a lock, looks at isExpired() before it writes and is
#   told that it may, while another worker holds the semaphore. With the default of 300 seconds tests do not see it.
# Needs redis-server, and apt-get of Debian 12 on amd64 or arm64; installs nothing outside a temporary folder. Fails when the behaviour
# changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
version=5.4.53+dfsg-0+deb12u1
apt-get download -q php8.2-cli=8.2.36-1~deb12u1 php8.2-redis=5.3.7+4.3.0-3 php8.2-igbinary "php-symfony-semaphore=$version" \
  "php-symfony-lock=$version" php-psr-log 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done
redis-server --port 0 --unixsocket "$folder/redis" --save '' --dir "$folder" >log &
pid=$!
for i in $(seq 100); do test -S redis && break; sleep 0.1; done

cat >find.php <<'PHP'
<?php
use Symfony\Component\Lock\LockFactory;
use Symfony\Component\Lock\Store\RedisStore as LockStore;
use Symfony\Component\Semaphore\SemaphoreFactory;
use Symfony\Component\Semaphore\Store\RedisStore as SemaphoreStore;

spl_autoload_register(function ($class) {
    $file = 'root/usr/share/php/'.str_replace('\\', '/', $class).'.php';
    if (is_file($file)) include $file;
});
$redis = new Redis();
$redis->connect($argv[1]);
$held = [
    'lock' => (new LockFactory(new LockStore($redis)))->createLock('a', 3.0),
    'semaphore' => (new SemaphoreFactory(new SemaphoreStore($redis)))->createSemaphore('b', 1, 1, 3.0),
];
$inRedis = [
    'lock' => fn () => $redis->pTtl('a') / 1000,
    'semaphore' => fn () => max($redis->zRange('{b}:time', 0, -1, true) ?: [0]) - microtime(true),
];
// The semaphore has whole seconds in Redis.
usleep((int) (1e6 * fmod(1.05 - fmod(microtime(true), 1), 1)));
foreach ($held as $one) $one->acquire();
sleep(2);
foreach ($held as $one) $one->acquire();
usleep(1_500_000);
foreach ($held as $name => $one) {
    printf(
        "%s: %s in the process, isAcquired %s, isExpired %s; in Redis %s\n",
        $name,
        $one->getRemainingLifetime() > 1 ? 'over a second left' : 'ends',
        var_export($one->isAcquired(), true),
        var_export($one->isExpired(), true),
        $inRedis[$name]() > 1 ? 'over a second left' : 'it has ended',
    );
}
PHP
extensions=$(dirname "$(find root/usr/lib/php -name redis.so)")
root/usr/bin/php8.2 -n -d "extension_dir=$folder/$extensions" -d extension=igbinary.so -d extension=redis.so find.php "$folder/redis" |
  tee output
diff output - <<'EXPECTED'
lock: over a second left in the process, isAcquired true, isExpired false; in Redis over a second left
semaphore: over a second left in the process, isAcquired true, isExpired false; in Redis it has ended
EXPECTED
