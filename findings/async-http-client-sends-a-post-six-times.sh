#!/usr/bin/env bash
# AsyncHttpClient 2.12.3 (Debian 12): a POST whose connection is closed without a response is sent six times at once.
#
# Guess: a POST that was sent and got no response ends with an IOException at once: the server may have run it, and RFC 9110 leaves a
#   repeat to the application. A GET may be sent once more.
# What happens: whatever the method, a request whose connection ends before the response is sent again, five times by default
#   (maxRequestRetry), on new connections and without a pause. Each time the server gets the whole body, also that of an
#   InputStream in memory. Only then the caller gets RemotelyClosedException, and nothing says that there were six. After a
#   reset of the connection nothing is sent again.
# Why it matters: a proxy or a server that is stopped closes its connections in order, and it may have charged before. Each process
#   that takes over charges again. A test that resets the connection sees one request. Call setMaxRequestRetry(0), or send an Idempotency-Key.
# Needs apt-get of Debian 12, and Java 11 or newer; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q libasync-http-client-java=2.12.3-1+deb12u1 libnetty-java libnetty-reactive-streams-java libreactive-streams-java \
  libslf4j-java libactivation-java 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >Find.java <<'JAVA'
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.asynchttpclient.AsyncHttpClient;
import org.asynchttpclient.Dsl;
import org.asynchttpclient.RequestBuilder;

public class Find {
    static final List<String> bodies = Collections.synchronizedList(new ArrayList<>());
    static volatile boolean reset;

    // Reads a whole request, notes its body, and closes the connection without a response.
    static void serve(Socket socket) {
        try (socket) {
            InputStream in = socket.getInputStream();
            StringBuilder text = new StringBuilder();
            byte[] buffer = new byte[4096];
            while (!text.toString().contains("{\"amount\":5}")) {
                int length = in.read(buffer);
                if (length < 0) return;
                text.append(new String(buffer, 0, length));
            }
            bodies.add("{\"amount\":5}");
            if (reset) socket.setSoLinger(true, 0);
        } catch (IOException e) {
            // The client has gone.
        }
    }

    static void run(String name, String url, int retries, RequestBuilder request) throws Exception {
        bodies.clear();
        String result;
        try (AsyncHttpClient client = Dsl.asyncHttpClient(Dsl.config().setMaxRequestRetry(retries))) {
            result = "" + client.executeRequest(request.setUrl(url)).get(30, TimeUnit.SECONDS).getStatusCode();
        } catch (ExecutionException e) {
            result = e.getCause() instanceof IOException ? "IOException" : "" + e.getCause();
        }
        System.out.println(name + ", maxRequestRetry " + retries + ": " + result + ", received whole " + bodies.size() + " times");
    }

    public static void main(String[] args) throws Exception {
        ServerSocket server = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
        Thread thread = new Thread(() -> {
            try {
                while (true) serve(server.accept());
            } catch (IOException e) {
                System.out.println(e);
            }
        });
        thread.setDaemon(true);
        thread.start();
        String url = "http://127.0.0.1:" + server.getLocalPort() + "/charges";
        String body = "{\"amount\":5}";
        int standard = Dsl.config().build().getMaxRequestRetry();
        run("GET", url, standard, Dsl.get(url).setBody(body));
        run("POST", url, standard, Dsl.post(url).setBody(body));
        run("POST of an InputStream", url, standard, Dsl.post(url).setBody(new ByteArrayInputStream(body.getBytes())));
        reset = true;
        run("POST, reset", url, standard, Dsl.post(url).setBody(body));
        run("POST", url, 0, Dsl.post(url).setBody(body));
        System.exit(0);
    }
}
JAVA
jars=root/usr/share/java
names=(async-http-client async-http-client-netty-utils netty-buffer netty-codec netty-codec-dns netty-codec-http netty-codec-socks
  netty-common netty-handler netty-handler-proxy netty-resolver netty-resolver-dns netty-transport netty-transport-native-epoll
  netty-transport-native-unix-common netty-reactive-streams netty-reactive-streams-http reactive-streams slf4j-api slf4j-nop
  javax.activation)
java -cp "$(printf "$jars/%s.jar:" "${names[@]}")" Find.java | tee output
diff output - <<'EXPECTED'
GET, maxRequestRetry 5: IOException, received whole 6 times
POST, maxRequestRetry 5: IOException, received whole 6 times
POST of an InputStream, maxRequestRetry 5: IOException, received whole 6 times
POST, reset, maxRequestRetry 5: IOException, received whole 1 times
POST, maxRequestRetry 0: IOException, received whole 1 times
EXPECTED
