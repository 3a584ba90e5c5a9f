"""Places an order once and looks it up, with requests: python3 order_requests.py [KEY]"""
import hashlib, hmac, json, os, random, sys, time, uuid
import requests

URL = os.environ.get("ONCEKEY_URL", "http://127.0.0.1:8080")
CLIENT = os.environ.get("ONCEKEY_CLIENT", "default")
SECRET = os.environ.get("ONCEKEY_SECRET", "super-secret-key").encode()


class Signed(requests.auth.AuthBase):
    """Signs the request as it was built: requests may have changed the target, and it has made the body."""

    def __call__(self, request):
        t = str(int(time.time()))
        key = request.headers.get("Idempotency-Key", "")
        body_hash = hashlib.sha256(request.body or b"").hexdigest()
        text = "\n".join(["v1", t, request.method, request.path_url, CLIENT, key, body_hash])
        request.headers["X-Client-Id"] = CLIENT
        request.headers["X-Signature"] = f"t={t},v1={hmac.new(SECRET, text.encode(), 'sha256').hexdigest()}"
        return request


def passing(response):
    if response.status_code in (408, 425, 429, 500, 502, 503, 504):
        return '"retryable":false' not in response.text
    return response.status_code == 409 and response.json()["code"] in ("request_in_progress", "outcome_unknown")


def send(method, path, **options):
    """Sends the same key and the same bytes until there is a final response; each attempt is signed anew."""
    for n in range(10):
        wait = random.uniform(0, min(10, 0.2 * 2**n))
        try:
            response = session.request(method, URL + path, timeout=15, allow_redirects=False, **options)
            if not passing(response):
                print(response.status_code, response.text)
                return response if response.ok else sys.exit(1)
            wait = float(response.headers.get("Retry-After", wait))
        except (requests.ConnectionError, requests.Timeout) as error:
            print(f"attempt {n + 1}: {error}", file=sys.stderr)
        time.sleep(wait)
    sys.exit("no response in ten attempts")


session = requests.Session()
session.trust_env = False  # else a .netrc could replace the signature
session.auth = Signed()
key = sys.argv[1] if len(sys.argv) > 1 else str(uuid.uuid4())
body = json.dumps({"user_id": "user-1", "item": "Käse", "amount": "19.90"}).encode()
send("POST", "/orders", data=body, headers={"Idempotency-Key": key, "Content-Type": "application/json"})
send("GET", "/orders", params={"idempotency_key": key})
