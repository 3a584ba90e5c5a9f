// Places an order once and looks it up, with Java 17: java Order.java [KEY]
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Set;
import java.util.UUID;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import static java.nio.charset.StandardCharsets.UTF_8;

public class Order {
  static final String URL = setting("ONCEKEY_URL", "http://127.0.0.1:8080");
  static final String CLIENT = setting("ONCEKEY_CLIENT", "default");
  static final byte[] SECRET = setting("ONCEKEY_SECRET", "super-secret-key").getBytes(UTF_8);
  static final Set<Integer> PASSING = Set.of(408, 425, 429, 500, 502, 503, 504);
  static final HttpClient HTTP = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

  static String setting(String name, String otherwise) {
    return System.getenv().getOrDefault(name, otherwise);
  }

  static String signature(String method, URI uri, String key, byte[] body) throws Exception {
    String t = String.valueOf(System.currentTimeMillis() / 1000);
    // The raw parts are what HttpClient sends; getPath() and getQuery() are decoded. It drops an empty query.
    String query = uri.getRawQuery() == null || uri.getRawQuery().isEmpty() ? "" : "?" + uri.getRawQuery();
    String target = uri.getRawPath() + query;
    String hash = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(body));
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(new SecretKeySpec(SECRET, "HmacSHA256"));
    byte[] text = String.join("\n", "v1", t, method, target, CLIENT, key, hash).getBytes(UTF_8);
    return "t=" + t + ",v1=" + HexFormat.of().formatHex(mac.doFinal(text));
  }

  static boolean passes(HttpResponse<String> response) {
    String received = response.body();
    if (PASSING.contains(response.statusCode())) return !received.contains("\"retryable\":false");
    return response.statusCode() == 409
        && (received.contains("\"code\":\"request_in_progress\"") || received.contains("\"code\":\"outcome_unknown\""));
  }

  // Sends the same key and the same bytes until there is a final response; each attempt is signed anew.
  static void send(String method, String target, String key, String text) throws Exception {
    // HttpClient escapes what is not ASCII, and URI alone does not.
    URI uri = URI.create(URI.create(URL + target).toASCIIString());
    byte[] body = text.getBytes(UTF_8);
    for (int n = 0; n < 10; n++) {
      long wait = (long) (Math.random() * Math.min(10_000, 200 << n));
      var request = HttpRequest.newBuilder(uri).timeout(Duration.ofSeconds(15)).header("X-Client-Id", CLIENT)
          .header("X-Signature", signature(method, uri, key, body))
          .method(method, body.length == 0 ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body));
      if (!key.isEmpty()) request.header("Idempotency-Key", key).header("Content-Type", "application/json");
      try {
        HttpResponse<String> response = HTTP.send(request.build(), BodyHandlers.ofString());
        if (!passes(response)) {
          System.out.println(response.statusCode() + " " + response.body());
          if (response.statusCode() >= 300) System.exit(1);
          return;
        }
        wait = response.headers().firstValueAsLong("Retry-After").orElse(wait / 1000) * 1000;
      } catch (IOException error) {
        System.err.println("attempt " + (n + 1) + ": " + error);
      }
      Thread.sleep(wait);
    }
    System.exit(1);
  }

  public static void main(String[] args) throws Exception {
    String key = args.length > 0 ? args[0] : UUID.randomUUID().toString();
    send("POST", "/orders", key, "{\"user_id\":\"user-1\",\"item\":\"K\u00e4se\",\"amount\":\"19.90\"}");
    send("GET", "/orders?idempotency_key=" + URLEncoder.encode(key, UTF_8), "", "");
  }
}
