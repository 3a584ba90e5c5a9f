// For com.sun.net.httpserver. What the paths mean is in acts.js.
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.UUID;
import java.util.concurrent.Executors;

public class Server {
    static final long LARGE = 104857600;
    static final String LEDGER = System.getenv("LEDGER");

    public static void main(String[] args) throws IOException {
        var address = new InetSocketAddress("127.0.0.1", Integer.parseInt(System.getenv("PORT")));
        var server = HttpServer.create(address, 0);
        server.createContext("/", exchange -> {
            try (exchange) {
                act(exchange);
            }
        });
        server.setExecutor(Executors.newCachedThreadPool());
        server.start();
    }

    static void note(String line) throws IOException {
        Files.writeString(Path.of(LEDGER), line + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    static boolean isFirst(String key) throws IOException {
        try {
            Files.createFile(Path.of(LEDGER + "." + key));
            return true;
        } catch (FileAlreadyExistsException e) {
            return false;
        }
    }

    static String header(HttpExchange exchange, String name) {
        var value = exchange.getRequestHeaders().getFirst(name);
        return value == null ? "-" : value;
    }

    static void pause() {
        try {
            Thread.sleep(60_000);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    static void act(HttpExchange exchange) throws IOException {
        var path = exchange.getRequestURI().getPath();
        var name = path.substring(path.lastIndexOf('/') + 1);
        var key = header(exchange, "Idempotency-Key");
        var bytes = exchange.getRequestBody().transferTo(OutputStream.nullOutputStream());
        if (name.equals("flaky") && isFirst(key)) {
            send(exchange, 503, "not now");
            return;
        }
        var id = UUID.randomUUID();
        var user = header(exchange, "X-User");
        note("run " + key + " " + user + " " + id);
        var text = String.format("{\"key\":\"%s\",\"user\":\"%s\",\"id\":\"%s\",\"bytes\":%d}", key, user, id, bytes);
        var type = name.endsWith("events") ? "text/event-stream" : "application/octet-stream";
        exchange.getResponseHeaders().set("Content-Type", type);
        switch (name) {
            case "empty" -> exchange.sendResponseHeaders(200, -1);
            case "no-content" -> exchange.sendResponseHeaders(204, -1);
            case "not-modified" -> {
                exchange.getResponseHeaders().set("ETag", "\"1\"");
                exchange.sendResponseHeaders(304, -1);
            }
            case "chunked" -> pieces(exchange, text.substring(0, 10), text.substring(10, 20), text.substring(20));
            case "events" -> pieces(exchange, "data: 1\n\n", "data: 2\n\n", "data: 3\n\n");
            case "large" -> {
                exchange.sendResponseHeaders(200, LARGE);
                var block = "x".repeat(65536).getBytes();
                for (long sent = 0; sent < LARGE; sent += block.length) exchange.getResponseBody().write(block);
            }
            case "half-length" -> half(exchange, key, 1000, "x".repeat(500));
            case "half-large" -> half(exchange, key, LARGE, "x".repeat(500));
            case "half-chunked" -> half(exchange, key, 0, "x".repeat(500));
            case "half-events" -> half(exchange, key, 0, "data: 1\n\n");
            case "wait" -> {
                pause();
                send(exchange, 201, text);
            }
            default -> send(exchange, 201, text);
        }
    }

    static void send(HttpExchange exchange, int status, String text) throws IOException {
        var head = exchange.getRequestMethod().equals("HEAD");
        exchange.sendResponseHeaders(status, head ? -1 : text.length());
        if (!head) exchange.getResponseBody().write(text.getBytes());
    }

    static void pieces(HttpExchange exchange, String... pieces) throws IOException {
        exchange.sendResponseHeaders(200, 0);
        for (var piece : pieces) {
            exchange.getResponseBody().write(piece.getBytes());
            exchange.getResponseBody().flush();
        }
    }

    static void half(HttpExchange exchange, String key, long length, String first) throws IOException {
        exchange.sendResponseHeaders(200, length);
        exchange.getResponseBody().write(first.getBytes());
        exchange.getResponseBody().flush();
        note("half " + key);
        pause();
    }
}
