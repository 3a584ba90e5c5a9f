#!/usr/bin/env bash
# python3-urllib3 1.26.12 (Debian 12): a body that is a generator is sent again as an empty one, and so is a file after a 307.
#
# Guess: what can be read only once is not sent again: the request fails with UnrewindableBodyError, which urllib3 has for it.
#   A file is read from its start again, for a retry and for a redirect that keeps the method.
# What happens: that error is for a file whose tell() fails. A generator has no tell() and is taken for a body that needs no
#   rewinding: the second attempt goes on where the first one ended, with chunked coding and no bytes. A file is rewound
#   for a retry, but not for a redirect, where the position of its start is forgotten. The response is 200 both times.
# Why it matters: PUT is among the methods that urllib3 retries unasked. A 503 of a load balancer, and the document that the
#   client uploads is replaced by nothing; the client is told that it succeeded.
# Needs apt-get of Debian 12, and Python 3; installs nothing outside a temporary folder. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q python3-urllib3=1.26.12-1+deb12u4 python3-six=1.16.0-4 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >find.py <<'PY'
import io
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import urllib3

BODY = b'{"amount":500}'
seen = []


class Handler(BaseHTTPRequestHandler):
    """Refuses or redirects the first request, and takes the second one."""

    protocol_version = "HTTP/1.1"

    def read_body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        body = b""
        while True:
            size = int(self.rfile.readline(), 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return body

    def do_PUT(self):
        seen.append(self.read_body().decode() or "nothing")
        status = 200 if len(seen) > 1 else int(self.path[1:])
        self.send_response(status)
        if status == 307:
            self.send_header("Location", "/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def pieces():
    yield BODY[:5]
    yield BODY[5:]


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
Thread(target=server.serve_forever, daemon=True).start()
print(f"urllib3 {urllib3.__version__}")
for first in 503, 307:
    for name, body in ("bytes", BODY), ("file", io.BytesIO(BODY)), ("generator", pieces()):
        seen.clear()
        http = urllib3.PoolManager(retries=urllib3.Retry(3, status_forcelist=[503]))
        response = http.request("PUT", f"http://127.0.0.1:{server.server_port}/{first}", body=body)
        print(f"{name}, first {first}, then {response.status}: sent {', then '.join(seen)}")
PY
PYTHONPATH=root/usr/lib/python3/dist-packages python3 find.py | tee output
diff output - <<'EXPECTED'
urllib3 1.26.12
bytes, first 503, then 200: sent {"amount":500}, then {"amount":500}
file, first 503, then 200: sent {"amount":500}, then {"amount":500}
generator, first 503, then 200: sent {"amount":500}, then nothing
bytes, first 307, then 200: sent {"amount":500}, then {"amount":500}
file, first 307, then 200: sent {"amount":500}, then nothing
generator, first 307, then 200: sent {"amount":500}, then nothing
EXPECTED
