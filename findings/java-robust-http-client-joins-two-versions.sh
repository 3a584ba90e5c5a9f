#!/usr/bin/env bash
# robust-http-client 1.2 (Debian 12): a download that was cut goes on with the bytes of another version of the file.
#
# Guess: RetryableHttpStream, "retries transparently", asks for the rest with Range and If-Range (or compares the ETag), so that a file
#   which was replaced meanwhile is an error or is read anew. RFC 9110 (15.3.7.3) wants the same validator in all parts that are joined.
# What happens: it sends Range alone and looks at nothing but the start of Content-Range. The first half of the old file and the second
#   half of the new one come as one stream without an error, though ETag and total length are others. When the new file is longer
#   the stream is longer than the Content-Length that it began with. When it is shorter there is an IOException.
# Why it matters: installers and reports that are read by it are broken in a way that no exception shows, at the moment of a release, when
#   servers restart. Check a digest, or take a client that sends If-Range.
# Needs apt-get of Debian 12, and Java 11 or newer; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q librobust-http-client-java=1.2-4 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >Find.java <<'JAVA'
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URL;
import org.jvnet.robust_http_client.RetryableHttpStream;

public class Find {
    static int requests;
    static String ifRange;
    static String second;

    // The first response is cut after 10 bytes of version 1. Then the file is another one.
    static void serve(Socket socket) throws IOException {
        try (socket) {
            BufferedReader in = new BufferedReader(new InputStreamReader(socket.getInputStream()));
            String line;
            while ((line = in.readLine()) != null && !line.isEmpty()) {
                if (line.toLowerCase().startsWith("if-range")) ifRange = line;
            }
            String head = ++requests == 1
                ? "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 20\r\n\r\n1111111111"
                : requests == 2
                    ? "HTTP/1.1 206 Partial Content\r\nETag: \"v2\"\r\nContent-Range: bytes 10-" + (9 + second.length()) + "/"
                        + (10 + second.length()) + "\r\nContent-Length: " + second.length() + "\r\nConnection: close\r\n\r\n" + second
                    : "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */15\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            socket.getOutputStream().write(head.getBytes());
        }
    }

    static void run(String name, String url, String rest) {
        requests = 0;
        ifRange = "none";
        second = rest;
        String result;
        try (RetryableHttpStream stream = new RetryableHttpStream(new URL(url))) {
            result = new String(stream.readAllBytes());
        } catch (IOException e) {
            result = e.getClass().getSimpleName();
        }
        System.out.println(name + ": " + result + ", If-Range: " + ifRange + ", " + requests + " requests");
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
        String url = "http://127.0.0.1:" + server.getLocalPort() + "/file";
        run("another file of the same length", url, "2222222222");
        run("a longer file", url, "222222222222222");
        run("a shorter file", url, "22222");
        System.exit(0);
    }
}
JAVA
timeout 60 java -cp root/usr/share/java/robust-http-client.jar Find.java | tee output
diff output - <<'EXPECTED'
another file of the same length: 11111111112222222222, If-Range: none, 2 requests
a longer file: 1111111111222222222222222, If-Range: none, 2 requests
a shorter file: IOException, If-Range: none, 3 requests
EXPECTED
