// Receives and verifies webhooks of oncekey, with Java 17: java Webhook.java
import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.concurrent.Executors;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

public class Webhook {
  static final int TOLERANCE_S = 300;
  static final int MAX_BODY_BYTES = 100_000;
  static SecretKeySpec key;

  static boolean isVerified(Headers headers, byte[] body) throws GeneralSecurityException {
    String timestamp = first(headers, "webhook-timestamp");
    if (!timestamp.matches("[0-9]{1,12}")) return false;
    long age = System.currentTimeMillis() / 1000 - Long.parseLong(timestamp);
    if (Math.abs(age) > TOLERANCE_S) return false;
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(key);
    mac.update((first(headers, "webhook-id") + "." + timestamp + ".").getBytes(ISO_8859_1));
    byte[] expected = ("v1," + Base64.getEncoder().encodeToString(mac.doFinal(body))).getBytes(ISO_8859_1);
    // Several while the secret rotates: one that matches is enough. isEqual takes the same time whatever is equal.
    boolean found = false;
    for (String one : first(headers, "webhook-signature").split(" "))
      found |= MessageDigest.isEqual(expected, one.getBytes(ISO_8859_1));
    return found;
  }

  static String first(Headers headers, String name) {
    String value = headers.getFirst(name);
    return value == null ? "" : value;
  }

  static void receive(HttpExchange exchange) throws IOException {
    try (exchange) {
      // The bytes as they came. What is longer has another signature.
      byte[] body = exchange.getRequestBody().readNBytes(MAX_BODY_BYTES);
      boolean ok = isVerified(exchange.getRequestHeaders(), body);
      exchange.sendResponseHeaders(ok ? 204 : 401, -1);
      // Do each id once: an event may come again. Keep the id together with what you do, and work after the response.
      if (ok) System.out.println(member("type", body) + " " + member("id", body));
    } catch (GeneralSecurityException error) {
      throw new IOException(error);
    }
  }

  /** Of the event itself, whose first members are id and type; Java has no JSON parser of its own. */
  static String member(String name, byte[] body) {
    Matcher found = Pattern.compile("\"" + name + "\":\"([^\"]*)\"").matcher(new String(body, UTF_8));
    return found.find() ? found.group(1) : "";
  }

  public static void main(String[] args) throws IOException {
    String secret = System.getenv("ONCEKEY_WEBHOOK_SECRET");
    if (secret == null) throw new IllegalStateException("ONCEKEY_WEBHOOK_SECRET is not set: the whsec_... of the endpoint");
    key = new SecretKeySpec(Base64.getDecoder().decode(secret.replaceFirst("^whsec_", "")), "HmacSHA256");
    int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "3000"));
    HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
    server.createContext("/", Webhook::receive);
    server.setExecutor(Executors.newFixedThreadPool(4));
    server.start();
  }
}
