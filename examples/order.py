"""Places an order once and looks it up, with the standard library of Python 3: python3 order.py [KEY]"""
import hashlib, hmac, http.client, json, os, random, sys, time, urllib.parse, uuid

URL = urllib.parse.urlsplit(os.environ.get("ONCEKEY_URL", "http://127.0.0.1:8080"))
CLIENT = os.environ.get("ONCEKEY_CLIENT", "default")
SECRET = os.environ.get("ONCEKEY_SECRET", "super-secret-key").encode()
CONNECTION = http.client.HTTPSConnection if URL.scheme == "https" else http.client.HTTPConnection


def signature(method, target, key, body):
    t = str(int(time.time()))
    lines = ["v1", t, method, target, CLIENT, key, hashlib.sha256(body).hexdigest()]
    return f"t={t},v1={hmac.new(SECRET, chr(10).join(lines).encode(), 'sha256').hexdigest()}"


def attempt(method, target, key, body):
    headers = {"X-Client-Id": CLIENT, "X-Signature": signature(method, target, key, body)}
    if key:
        headers["Idempotency-Key"] = key
    if body:
        headers["Content-Type"] = "application/json"
    connection = CONNECTION(URL.netloc, timeout=15)
    try:
        connection.request(method, target, body or None, headers)  # the target goes out as it is
        response = connection.getresponse()
        return response.status, response.read(), response.headers.get("Retry-After")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error).encode(), None
    finally:
        connection.close()


def passing(status, received):
    if status in (0, 408, 425, 429, 500, 502, 503, 504):
        return b'"retryable":false' not in received
    return status == 409 and json.loads(received)["code"] in ("request_in_progress", "outcome_unknown")


def send(method, target, key="", body=b""):
    """Sends the same key and the same bytes until there is a final response; each attempt is signed anew."""
    for n in range(10):
        status, received, wait = attempt(method, target, key, body)
        if not passing(status, received):
            break
        print(f"attempt {n + 1}: status {status}", file=sys.stderr)
        time.sleep(float(wait) if wait else random.uniform(0, min(10, 0.2 * 2**n)))
    print(status, received.decode())
    if not 200 <= status < 300:
        sys.exit(1)


key = sys.argv[1] if len(sys.argv) > 1 else str(uuid.uuid4())
order = {"user_id": "user-1", "item": "Käse", "amount": "19.90"}
send("POST", "/orders", key, json.dumps(order).encode())  # written once: what is signed is what is sent
send("GET", "/orders?" + urllib.parse.urlencode({"idempotency_key": key}))
