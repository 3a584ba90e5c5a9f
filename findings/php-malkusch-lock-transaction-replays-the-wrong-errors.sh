#!/usr/bin/env bash
# malkusch/lock 2.2.1 (Debian 12), TransactionalMutex: a conflict that PostgreSQL finds at COMMIT is not replayed, a duplicate key is.
#
# Guess: "if the transaction fails, the code will be executed again in a new transaction": a conflict of SERIALIZABLE transactions is
#   replayed, wherever PostgreSQL finds it. An error that no replay can mend is thrown, at least as the cause of the timeout.
# What happens: PostgreSQL reports part of the conflicts only in response to COMMIT. Then the mutex calls rollBack(), for which PDO has
#   no transaction any more, and throws LockAcquireException, "Could not roll back transaction", after one run. A conflict that is
#   found at an UPDATE is replayed. Any PDOException of the code counts as a conflict: an INSERT of a key that is there runs
#   about 15 times in 2 seconds. Then "Timeout of 2 seconds exceeded" is thrown, and its cause is left out.
# Why it matters: which statement finds the conflict depends on timing, so the code works in tests with two clients and fails under
#   load, with a text that points elsewhere. And a plain mistake looks like a lock that is held for too long. Catch
#   LockAcquireException and run again if its cause has SQLSTATE 40001.
# Needs PostgreSQL 15 (postgresql-15), apt-get of Debian 12 on amd64 or arm64; everything is on a Unix socket; installs nothing outside
# a temporary folder. As root it runs PostgreSQL as nobody. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
pid=
trap 'test -z "$pid" || kill "$pid"; wait; cd /; rm -rf "$folder"' EXIT
cd "$folder"
version=8.2.36-1~deb12u1
apt-get download -q "php8.2-cli=$version" "php8.2-common=$version" "php8.2-pgsql=$version" libpq5 php-malkusch-lock=2.2.1+ds-1 \
  2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done
mkdir run
as=()
if [ "$(id -u)" = 0 ]; then
  as=(setpriv --reuid nobody --regid nogroup --clear-groups)
  chown nobody:nogroup run
fi
bin=/usr/lib/postgresql/15/bin
"${as[@]}" "$bin/initdb" -D run/data -U postgres -A trust -E UTF8 --locale=C --no-sync >log
"${as[@]}" "$bin/postgres" -D run/data -c listen_addresses= -c "unix_socket_directories=$folder/run" -c fsync=off >>log 2>&1 &
pid=$!
for _ in $(seq 100); do "$bin/pg_isready" -q -h "$folder/run" && break; sleep 0.1; done

cat >find.php <<'PHP'
<?php
use malkusch\lock\mutex\TransactionalMutex;

spl_autoload_register(function ($class) {
    include 'root/usr/share/php/Malkusch/Lock/classes/'.strtr(substr($class, strlen('malkusch\lock\\')), '\\', '/').'.php';
});
function connect(string $host): PDO
{
    $pdo = new PDO("pgsql:host=$host;user=postgres;dbname=postgres", null, null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
    $pdo->exec('SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE');

    return $pdo;
}
function run(string $name, PDO $pdo, callable $code): void
{
    $runs = 0;
    try {
        $result = (new TransactionalMutex($pdo, 2))->synchronized(function () use ($code, &$runs) {
            $code(++$runs);

            return 'done';
        });
    } catch (Exception $exception) {
        $cause = $exception->getPrevious();
        $result = $exception->getMessage().', '.($cause ? 'SQLSTATE '.$cause->getCode() : 'without a cause');
    }
    echo "$name: $result, ", $runs > 5 ? 'over 5' : $runs, " runs\n";
}

[$own, $other] = [connect($argv[1]), connect($argv[1])];
$own->exec('CREATE TABLE rota (id integer PRIMARY KEY, on_call integer); INSERT INTO rota VALUES (1, 1), (2, 1)');
$total = 'SELECT sum(on_call) FROM rota';
// Two transactions read both rows, and each changes one of them.
$conflict = function (int $runs, bool $early) use ($own, $other, $total) {
    $own->query($total)->fetchColumn();
    $first = 'UPDATE rota SET on_call = on_call - 1 WHERE id = 1';
    if (!$early) $own->exec($first);
    if ($runs === 1) {
        $other->beginTransaction();
        $other->query($total)->fetchColumn();
        $other->exec('UPDATE rota SET on_call = on_call - 1 WHERE id = 2');
        $other->commit();
    }
    if ($early) $own->exec($first);
};
run('conflict found at the UPDATE', $own, fn ($runs) => $conflict($runs, true));
run('conflict found at COMMIT', $own, fn ($runs) => $conflict($runs, false));
run('duplicate key', $own, fn () => $own->exec('INSERT INTO rota VALUES (1, 1)'));
PHP
extensions=$(dirname "$(find root/usr/lib/php -name pdo.so)")
LD_LIBRARY_PATH=$(dirname "$(find "$folder/root" -name libpq.so.5)")
export LD_LIBRARY_PATH
root/usr/bin/php8.2 -n -d "extension_dir=$folder/$extensions" -d extension=pdo.so -d extension=pdo_pgsql.so find.php "$folder/run" | tee output
diff output - <<'EXPECTED'
conflict found at the UPDATE: done, 2 runs
conflict found at COMMIT: Could not roll back transaction: There is no active transaction), SQLSTATE 40001, 1 runs
duplicate key: Timeout of 2 seconds exceeded., without a cause, over 5 runs
EXPECTED
