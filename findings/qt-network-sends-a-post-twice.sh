#!/usr/bin/env bash
# Qt 6.4.2 (Debian 12), QNetworkAccessManager: a POST whose connection ends without a response is sent twice, on a new connection too.
#
# Guess: a POST is not idempotent (RFC 9110, section 9.2.2) and is not sent again; or only where a connection that was used before has
#   gone meanwhile, as curl does it. After a second of work in the server it is certainly not.
# What happens: each request, whatever its method, is sent once more on a second connection, with the same headers and body, also where
#   the first was new and the server had worked on it for a second. The application sees one request and RemoteHostClosedError. Qt
#   5.15.8 does the same.
# Why it matters: cash desks, kiosks and car parks are Qt. A service that does its work and ends before it responds has done it twice, and
#   what the log of the application shows is one failed attempt. A nonce or a signature that may be seen once is seen twice. Send an
#   idempotency key with each POST.
# Needs apt-get and python3 (3.11) of Debian 12; installs nothing outside a temporary folder. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q python3-pyqt6=6.4.2-1 python3-pyqt6.sip=13.4.1-1 libqt6core6=6.4.2+dfsg-10 libqt6network6=6.4.2+dfsg-10 \
  libicu72 libb2-1 libgomp1 libdouble-conversion3 libpcre2-16-0 libproxy1v5 libglib2.0-0 libgssapi-krb5-2 libkrb5-3 libk5crypto3 \
  libkrb5support0 libkeyutils1 libbrotli1 libzstd1 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done
LD_LIBRARY_PATH=$(dirname "$(find "$folder/root/usr/lib" -name 'libQt6Core.so.6')")
export LD_LIBRARY_PATH PYTHONPATH="$folder/root/usr/lib/python3/dist-packages"

cat >find.py <<'PY'
import socket
import sys
import threading
import time

from PyQt6.QtCore import QT_VERSION_STR, QByteArray, QCoreApplication, QUrl
from PyQt6.QtNetwork import QNetworkAccessManager, QNetworkRequest

seen = []


# Reads a request, works for as long as its path says, and ends the connection without a response.
def work(connection):
    text = b''
    while b'\r\n\r\n' not in text:
        text += connection.recv(65536)
    head, _, body = text.partition(b'\r\n\r\n')
    length = [int(line[15:]) for line in head.split(b'\r\n') if line.lower().startswith(b'content-length:')]
    while len(body) < (length or [0])[0]:
        body += connection.recv(65536)
    seen.append(head.replace(b'\r\n', b'\n') + body)
    time.sleep(1 if b'/slow' in head else 0)
    connection.close()


def serve(listener):
    while True:
        threading.Thread(target=work, args=(listener.accept()[0],), daemon=True).start()


listener = socket.create_server(('127.0.0.1', 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
application = QCoreApplication(sys.argv)
print('Qt', QT_VERSION_STR)
for method, path in (('POST', '/charge'), ('POST', '/slow'), ('PATCH', '/charge'), ('GET', '/charge')):
    seen.clear()
    manager = QNetworkAccessManager()
    request = QNetworkRequest(QUrl(f'http://127.0.0.1:{listener.getsockname()[1]}{path}'))
    request.setHeader(QNetworkRequest.KnownHeaders.ContentTypeHeader, 'application/json')
    body = QByteArray(b'' if method == 'GET' else b'{"amount":500}')
    reply = manager.sendCustomRequest(request, method.encode(), body)
    finished = []
    reply.finished.connect(lambda: (finished.append(reply.error().name), application.quit()))
    application.exec()
    same = 'the same bytes' if len(set(seen)) == 1 else 'other bytes'
    print(f'{method} {path}: sent {len(seen)} times, {same}; finished {len(finished)} time, {finished[0]}')
PY
/usr/bin/python3 find.py | tee output
diff output - <<'EXPECTED'
Qt 6.4.2
POST /charge: sent 2 times, the same bytes; finished 1 time, RemoteHostClosedError
POST /slow: sent 2 times, the same bytes; finished 1 time, RemoteHostClosedError
PATCH /charge: sent 2 times, the same bytes; finished 1 time, RemoteHostClosedError
GET /charge: sent 2 times, the same bytes; finished 1 time, RemoteHostClosedError
EXPECTED
