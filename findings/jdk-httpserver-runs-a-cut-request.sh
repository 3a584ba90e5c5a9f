#!/usr/bin/env bash
# OpenJDK 17.0.19 (Debian 12), com.sun.net.httpserver: a request that is cut within its headers is run as if it were whole.
#
# Guess: the client sends the first 58 of 86 bytes of a POST, which end within the value of a header, and closes the connection. The
#   message is incomplete (RFC 9112, section 8), and the handler is not called, as with Node.js and Go.
# What happens: the end of the connection counts as the end of the headers. The handler runs with key=order-123 where
#   order-12345 was on its way, without the headers that were to follow, such as Content-Length, and so with an empty body.
# Why it matters: a proxy whose connection breaks while it sends a charge cannot find out what became of it by the key: the
#   handler has another one, or none. A handler should refuse a request without the body that it needs.
# Needs apt-get of Debian 12 on amd64 or arm64, and Node.js; installs nothing outside a temporary folder. Fails when the
# behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
pid=
trap 'test -z "$pid" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
version=17.0.19+10-1~deb12u2
apt-get download -q "openjdk-17-jre-headless=$version" "openjdk-17-jdk-headless=$version" 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done
# Its configuration is in /etc, where nothing is installed.
find root -type l -lname '/etc/*' | while read -r link; do ln -sfn "$folder/root$(readlink "$link")" "$link"; done
java=$(find "$folder/root/usr/lib/jvm" -path '*/java-17-openjdk-*/bin/java' | head -1)
port=$((20000 + RANDOM % 10000))

cat >Server.java <<'JAVA'
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;

public class Server {
    public static void main(String[] args) throws Exception {
        var server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])), 0);
        server.createContext("/", exchange -> {
            var bytes = exchange.getRequestBody().readAllBytes().length;
            var key = exchange.getRequestHeaders().getFirst("Idempotency-Key");
            System.out.println("handler: " + exchange.getRequestMethod() + " key=" + key + " body=" + bytes);
            exchange.sendResponseHeaders(204, -1);
            exchange.close();
        });
        server.start();
        System.out.println("ready");
    }
}
JAVA
cat >cut.js <<'JS'
const { connect } = require('node:net')
const whole =
  'POST /charge HTTP/1.1\r\nHost: a\r\nIdempotency-Key: order-12345\r\nContent-Length: 2\r\n\r\nok'
const send = (text) =>
  new Promise((resolve) => {
    const socket = connect(Number(process.argv[2]), '127.0.0.1', () => socket.end(text))
    socket.on('error', resolve).on('close', resolve).resume()
  })
send(whole).then(() => send(whole.slice(0, 58)))
JS

"$java" -version 2>&1 | head -1
"$java" Server.java "$port" >log 2>&1 &
pid=$!
for _ in $(seq 240); do grep -q ready log && break; sleep 0.5; done
node cut.js "$port"
for _ in $(seq 20); do test "$(grep -c handler log)" = 2 && break; sleep 0.5; done
grep handler log
grep -qx 'handler: POST key=order-12345 body=2' log
grep -qx 'handler: POST key=order-123 body=0' log
echo 'As described.'
