// Places an order once and looks it up, with HttpClient of .NET or Mono.
// Mono: mcs -r:System.Net.Http Order.cs && mono Order.exe [KEY]
using System;
using System.Linq;
using System.Net.Http;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Tasks;

public static class Order
{
    static readonly string Url = Setting("ONCEKEY_URL", "http://127.0.0.1:8080");
    static readonly string Client = Setting("ONCEKEY_CLIENT", "default");
    static readonly byte[] Secret = Encoding.UTF8.GetBytes(Setting("ONCEKEY_SECRET", "super-secret-key"));
    static readonly HttpClient Http = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false })
        { Timeout = TimeSpan.FromSeconds(15) };
    static readonly int[] Passing = { 408, 425, 429, 500, 502, 503, 504 };
    static readonly Random Jitter = new Random();

    static string Setting(string name, string otherwise) => Environment.GetEnvironmentVariable(name) ?? otherwise;

    static string Hex(byte[] bytes) => string.Concat(bytes.Select(one => one.ToString("x2")));

    static string Signature(HttpRequestMessage request, string key, byte[] body)
    {
        string t = DateTimeOffset.UtcNow.ToUnixTimeSeconds().ToString();
        // What Uri made of the text is what is sent.
        string target = request.RequestUri.PathAndQuery;
        using (var sha256 = SHA256.Create())
        using (var hmac = new HMACSHA256(Secret))
        {
            string hash = Hex(sha256.ComputeHash(body));
            string text = string.Join("\n", "v1", t, request.Method.Method, target, Client, key, hash);
            return "t=" + t + ",v1=" + Hex(hmac.ComputeHash(Encoding.UTF8.GetBytes(text)));
        }
    }

    static HttpRequestMessage Built(HttpMethod method, string target, string key, byte[] body)
    {
        var request = new HttpRequestMessage(method, Url + target);
        request.Headers.ExpectContinue = false;
        request.Headers.Add("X-Client-Id", Client);
        request.Headers.Add("X-Signature", Signature(request, key, body));
        if (key != "") request.Headers.Add("Idempotency-Key", key);
        if (body.Length > 0)
        {
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.Add("Content-Type", "application/json");
        }
        return request;
    }

    static bool Passes(int status, string received)
    {
        if (Passing.Contains(status)) return !received.Contains("\"retryable\":false");
        return status == 409
            && (received.Contains("\"code\":\"request_in_progress\"") || received.Contains("\"code\":\"outcome_unknown\""));
    }

    // Sends the same key and the same bytes until there is a final response; each attempt is signed anew.
    static async Task Send(HttpMethod method, string target, string key, byte[] body)
    {
        for (int n = 0; n < 10; n++)
        {
            var wait = TimeSpan.FromMilliseconds(Jitter.Next(Math.Min(10000, 200 << n)));
            try
            {
                using (var response = await Http.SendAsync(Built(method, target, key, body)))
                {
                    string received = await response.Content.ReadAsStringAsync();
                    if (!Passes((int)response.StatusCode, received))
                    {
                        Console.WriteLine((int)response.StatusCode + " " + received);
                        if (!response.IsSuccessStatusCode) Environment.Exit(1);
                        return;
                    }
                    wait = response.Headers.RetryAfter?.Delta ?? wait;
                }
            }
            catch (Exception error) when (error is HttpRequestException || error is TaskCanceledException)
            {
                Console.Error.WriteLine("attempt " + (n + 1) + ": " + error.Message);
            }
            await Task.Delay(wait);
        }
        Environment.Exit(1);
    }

    static async Task Run(string[] args)
    {
        string key = args.Length > 0 ? args[0] : Guid.NewGuid().ToString();
        byte[] body = Encoding.UTF8.GetBytes("{\"user_id\":\"user-1\",\"item\":\"K\u00e4se\",\"amount\":\"19.90\"}");
        await Send(HttpMethod.Post, "/orders", key, body);
        await Send(HttpMethod.Get, "/orders?idempotency_key=" + Uri.EscapeDataString(key), "", new byte[0]);
    }

    public static void Main(string[] args)
    {
        Run(args).GetAwaiter().GetResult();
    }
}
