#!/usr/bin/env bash
# Apache HttpClient 5.2.1 (Debian 12): by default a POST that got 503 or 429 is sent again, after any time that Retry-After says.
#
# Guess: HttpClients.createDefault() repeats only what is idempotent, as it does when the connection is lost.
# What happens: after a lost connection a POST is not repeated. After 503 and 429 it is, whatever its method, once, if its body can
#   be read again: a StringEntity can, an InputStreamEntity cannot. The second response is returned, and nothing shows that there
#   was a first one. It sleeps in the calling thread for as long as Retry-After says, an hour for "3600"; without the header a
#   second. Only a response timeout (there is none by default) that is shorter than that prevents it.
# Why it matters: a gateway sends 503 also when the server behind it has run the request and was too slow. Which orders are placed
#   twice depends on how the body was made. Set an Idempotency-Key, or call disableAutomaticRetries().
# Needs apt-get of Debian 12, and Java 11 or newer; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q libhttpclient5-java=5.2.1-1 libhttpcore5-java libslf4j-java libcommons-codec-java 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >Find.java <<'JAVA'
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import org.apache.hc.client5.http.classic.methods.HttpPost;
import org.apache.hc.client5.http.config.RequestConfig;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.core5.http.ContentType;
import org.apache.hc.core5.http.HttpEntity;
import org.apache.hc.core5.http.io.entity.InputStreamEntity;
import org.apache.hc.core5.http.io.entity.StringEntity;
import org.apache.hc.core5.util.Timeout;

public class Find {
    static final List<Long> times = new ArrayList<>();
    static int status;
    static String retryAfter;

    static int timeoutSeconds;

    static void run(CloseableHttpClient client, String url, HttpEntity entity) {
        times.clear();
        HttpPost post = new HttpPost(url);
        if (timeoutSeconds > 0) {
            post.setConfig(RequestConfig.custom().setResponseTimeout(Timeout.ofSeconds(timeoutSeconds)).build());
        }
        post.setEntity(entity);
        String result;
        try {
            result = client.execute(post, response -> String.valueOf(response.getCode()));
        } catch (IOException e) {
            result = e.getClass().getSimpleName();
        }
        String pause = times.size() == 1 ? "" : ", " + Math.round((times.get(1) - times.get(0)) / 1000.0) + " s apart";
        System.out.println((status == 0 ? "lost connection" : status + (retryAfter == null ? "" : ", Retry-After " + retryAfter))
            + (timeoutSeconds > 0 ? ", timeout " + timeoutSeconds + " s, " : ", ")
            + entity.getClass().getSimpleName() + ": " + result + ", sent " + times.size() + " times" + pause);
    }

    public static void main(String[] args) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext("/", exchange -> {
            times.add(System.currentTimeMillis());
            exchange.getRequestBody().readAllBytes();
            if (retryAfter != null) exchange.getResponseHeaders().set("Retry-After", retryAfter);
            if (status != 0) exchange.sendResponseHeaders(status, -1);
            exchange.close();
        });
        server.start();
        String url = "http://127.0.0.1:" + server.getAddress().getPort() + "/orders";
        try (CloseableHttpClient client = HttpClients.createDefault()) {
            for (int next : new int[] {0, 502, 429, 503}) {
                status = next;
                run(client, url, new StringEntity("{}"));
            }
            run(client, url, new InputStreamEntity(new ByteArrayInputStream("{}".getBytes()), ContentType.APPLICATION_JSON));
            retryAfter = "4";
            for (int seconds : new int[] {0, 5, 3}) {
                timeoutSeconds = seconds;
                run(client, url, new StringEntity("{}"));
            }
        } finally {
            server.stop(0);
        }
    }
}
JAVA
jars=root/usr/share/java
names=(httpclient5 httpcore5 httpcore5-h2 slf4j-api slf4j-nop commons-codec)
java -cp "$(printf "$jars/%s.jar:" "${names[@]}")" Find.java | tee output
diff output - <<'EXPECTED'
lost connection, StringEntity: NoHttpResponseException, sent 1 times
502, StringEntity: 502, sent 1 times
429, StringEntity: 429, sent 2 times, 1 s apart
503, StringEntity: 503, sent 2 times, 1 s apart
503, InputStreamEntity: 503, sent 1 times
503, Retry-After 4, StringEntity: 503, sent 2 times, 4 s apart
503, Retry-After 4, timeout 5 s, StringEntity: 503, sent 2 times, 4 s apart
503, Retry-After 4, timeout 3 s, StringEntity: 503, sent 1 times
EXPECTED
