"""Receives and verifies webhooks of oncekey, with the standard library of Python 3: python3 webhook.py"""
import base64, hashlib, hmac, http.server, json, os, re, sys, time

SECRET = os.environ.get("ONCEKEY_WEBHOOK_SECRET") or sys.exit("ONCEKEY_WEBHOOK_SECRET is not set: the whsec_... of the endpoint")
KEY = base64.b64decode(SECRET.removeprefix("whsec_"))
PORT = int(os.environ.get("PORT", "3000"))
TOLERANCE_S = 300
MAX_BODY_BYTES = 100_000


def verified(headers, body):
    webhook_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not re.fullmatch("[0-9]{1,12}", timestamp) or abs(time.time() - int(timestamp)) > TOLERANCE_S:
        return False
    signed = f"{webhook_id}.{timestamp}.".encode("latin-1") + body
    expected = b"v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest())
    # Several while the secret rotates: one that matches is enough.
    given = headers.get("webhook-signature", "").encode("latin-1").split(b" ")
    return any([hmac.compare_digest(expected, one) for one in given])


class Receiver(http.server.BaseHTTPRequestHandler):
    timeout = 15

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        # The bytes as they came. What is longer has another signature.
        body = self.rfile.read(min(int(length), MAX_BODY_BYTES)) if re.fullmatch("[0-9]{1,12}", length) else b""
        ok = verified(self.headers, body)
        self.send_response(204 if ok else 401)
        self.send_header("Connection", "close")
        self.end_headers()
        if ok:
            # Do each id once: an event may come again. Keep the id together with what you do, and work after the response.
            event = json.loads(body)
            print(event["type"], event["id"], flush=True)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Receiver).serve_forever()
