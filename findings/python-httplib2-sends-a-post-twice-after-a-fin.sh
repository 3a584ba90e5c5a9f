#!/usr/bin/env bash
# httplib2 0.20.4 (Debian 12), below the Google API client for Python: whether a POST is sent twice depends on FIN or RST.
#
# Guess: as with http.client and requests, below and beside it, a POST whose connection ends without a response is an error after one
#   attempt; at most it is sent again on a connection that was used before. How the connection ends makes no difference, and
#   httplib2.RETRIES (default 2) says how often a request is sent.
# What happens: where the server closes the connection (FIN), the POST is sent once more, on a new connection too, also after a second of
#   work; the caller gets RemoteDisconnected of the second attempt. Where the connection is reset (RST) there is one attempt and
#   ConnectionResetError. PUT and GET are treated alike, and RETRIES = 1 changes nothing.
# Why it matters: a process that ends closes its connections with a FIN where it had read the whole request, and with a RST where a part of
#   it was unread, so that the request that was carried out is the one that is sent again. Tests that reset connections do not show it.
#   Send an idempotency key with each POST.
# Needs apt-get and python3 of Debian 12; installs nothing outside a temporary folder. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q python3-httplib2=0.20.4-3+deb12u1 python3-pyparsing=3.0.9-1 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done
export PYTHONPATH="$folder/root/usr/lib/python3/dist-packages"

cat >find.py <<'PY'
import socket
import struct
import threading
import time

import httplib2

seen = []


# Reads a request, works for a second if its path says so, and ends the connection without a response.
def work(connection):
    text = b''
    while b'{"amount":500}' not in text and not text.startswith(b'GET'):
        text += connection.recv(65536)
    seen.append(text)
    time.sleep(1 if b'/slow' in text else 0)
    if b'/reset' in text:
        # Closing it sends a RST.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    connection.close()


def serve(listener):
    while True:
        threading.Thread(target=work, args=(listener.accept()[0],), daemon=True).start()


listener = socket.create_server(('127.0.0.1', 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
url = f'http://127.0.0.1:{listener.getsockname()[1]}'


def send(method, path):
    seen.clear()
    headers = {'Content-Type': 'application/json', 'Idempotency-Key': 'key-1'}
    try:
        httplib2.Http().request(url + path, method, body=None if method == 'GET' else '{"amount":500}', headers=headers)
    except Exception as error:
        print(f'{method} {path}: sent {len(seen)} times, {type(error).__name__}')


print('httplib2', httplib2.__version__)
for method, path in (('POST', '/closed'), ('POST', '/slow'), ('POST', '/reset'), ('PUT', '/closed'), ('GET', '/reset')):
    send(method, path)
httplib2.RETRIES = 1
print('RETRIES = 1')
send('POST', '/closed')
PY
/usr/bin/python3 find.py | tee output
diff output - <<'EXPECTED'
httplib2 0.20.4
POST /closed: sent 2 times, RemoteDisconnected
POST /slow: sent 2 times, RemoteDisconnected
POST /reset: sent 1 times, ConnectionResetError
PUT /closed: sent 2 times, RemoteDisconnected
GET /reset: sent 1 times, ConnectionResetError
RETRIES = 1
POST /closed: sent 2 times, RemoteDisconnected
EXPECTED
