"""For the development server of Flask, and for gunicorn. What the paths mean is in acts.js."""
import json
import os
import time
import uuid

from flask import Flask, Response, request
from ledger import is_first, note

LARGE = 104857600
app = Flask(__name__)


def body(name, key, text):
    if name == 'chunked':
        yield from (text[:10], text[10:20], text[20:])
    elif name == 'events':
        yield from (f'data: {n}\n\n' for n in (1, 2, 3))
    elif name == 'large':
        for _ in range(LARGE // 65536):
            yield b'x' * 65536
    else:
        yield 'data: 1\n\n' if name == 'half-events' else b'x' * 500
        note('half ' + key)
        time.sleep(60)


@app.route('/<name>', methods=['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])
def act(name):
    key = request.headers.get('Idempotency-Key', '-')
    user = request.headers.get('X-User', '-')
    count = len(request.get_data())
    if name == 'flaky' and is_first(key):
        return 'not now', 503
    run = str(uuid.uuid4())
    note(f'run {key} {user} {run}')
    text = json.dumps({'key': key, 'user': user, 'id': run, 'bytes': count})
    if name == 'empty':
        return '', 200
    if name == 'no-content':
        return '', 204
    if name == 'not-modified':
        return '', 304, {'ETag': '"1"'}
    if name in ('chunked', 'events', 'large') or name.startswith('half-'):
        response = Response(body(name, key, text))
        response.content_type = 'text/event-stream' if name.endswith('events') else 'application/octet-stream'
        if name.endswith('large'):
            response.headers['Content-Length'] = str(LARGE)
        if name == 'half-length':
            response.headers['Content-Length'] = '1000'
        return response
    if name == 'wait':
        time.sleep(60)
    return Response(text, 201, content_type='application/json')


if __name__ == '__main__':
    app.run(port=int(os.environ['PORT']), threaded=True)
