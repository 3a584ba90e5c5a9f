// Receives and verifies webhooks of oncekey, with HttpListener of .NET or Mono.
// Mono: mcs Webhook.cs && mono Webhook.exe
using System;
using System.IO;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;

public static class Webhook
{
    const int ToleranceS = 300;
    const int MaxBodyBytes = 100000;
    static byte[] key;

    static bool IsVerified(string id, string timestamp, string signatures, byte[] body)
    {
        if (!Regex.IsMatch(timestamp, "^[0-9]{1,12}\\z")) return false;
        if (Math.Abs(DateTimeOffset.UtcNow.ToUnixTimeSeconds() - long.Parse(timestamp)) > ToleranceS) return false;
        byte[] start = Encoding.UTF8.GetBytes(id + "." + timestamp + ".");
        byte[] signed = new byte[start.Length + body.Length];
        start.CopyTo(signed, 0);
        body.CopyTo(signed, start.Length);
        using (var hmac = new HMACSHA256(key))
        {
            string expected = "v1," + Convert.ToBase64String(hmac.ComputeHash(signed));
            // Several while the secret rotates: one that matches is enough.
            bool found = false;
            foreach (string one in signatures.Split(' ')) found |= Same(expected, one);
            return found;
        }
    }

    // It takes the same time whatever is equal.
    static bool Same(string expected, string given)
    {
        if (expected.Length != given.Length) return false;
        int difference = 0;
        for (int i = 0; i < expected.Length; i++) difference |= expected[i] ^ given[i];
        return difference == 0;
    }

    // The bytes as they came. What is longer has another signature.
    static byte[] Read(Stream stream)
    {
        var bytes = new MemoryStream();
        var chunk = new byte[8192];
        int count;
        while (bytes.Length < MaxBodyBytes && (count = stream.Read(chunk, 0, chunk.Length)) > 0) bytes.Write(chunk, 0, count);
        return bytes.ToArray();
    }

    static string Member(string name, string json)
    {
        // Of the event itself, whose first members are id and type.
        return Regex.Match(json, "\"" + name + "\":\"([^\"]*)\"").Groups[1].Value;
    }

    static void Receive(HttpListenerContext context)
    {
        try
        {
            byte[] body = Read(context.Request.InputStream);
            Func<string, string> header = name => context.Request.Headers[name] ?? "";
            bool ok = IsVerified(header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"), body);
            context.Response.StatusCode = ok ? 204 : 401;
            context.Response.Close();
            if (!ok) return;
            // Do each id once: an event may come again. Keep the id together with what you do, and work after the response.
            string json = Encoding.UTF8.GetString(body);
            Console.WriteLine(Member("type", json) + " " + Member("id", json));
        }
        catch (Exception error) when (error is HttpListenerException || error is IOException)
        {
            Console.Error.WriteLine(error.Message);
        }
    }

    public static void Main()
    {
        string secret = Environment.GetEnvironmentVariable("ONCEKEY_WEBHOOK_SECRET");
        if (secret == null) throw new Exception("ONCEKEY_WEBHOOK_SECRET is not set: the whsec_... of the endpoint");
        key = Convert.FromBase64String(Regex.Replace(secret, "^whsec_", ""));
        var listener = new HttpListener();
        listener.Prefixes.Add("http://127.0.0.1:" + (Environment.GetEnvironmentVariable("PORT") ?? "3000") + "/");
        listener.Start();
        while (true)
        {
            var context = listener.GetContext();
            ThreadPool.QueueUserWorkItem(_ => Receive(context));
        }
    }
}
