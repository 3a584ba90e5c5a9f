"""For uvicorn. What the paths mean is in acts.js."""
import asyncio
import json
import uuid

from ledger import is_first, note

LARGE = 104857600


async def app(scope, receive, send):
    if scope['type'] != 'http':
        return
    name = scope['path'].rsplit('/', 1)[-1]
    headers = {name.decode(): value.decode() for name, value in scope['headers']}
    key, user = headers.get('idempotency-key', '-'), headers.get('x-user', '-')
    count, more = 0, True
    while more:
        message = await receive()
        if message['type'] == 'http.disconnect':
            return
        count += len(message.get('body', b''))
        more = message.get('more_body', False)

    async def start(status, *lines):
        await send({'type': 'http.response.start', 'status': status, 'headers': [tuple(line) for line in lines]})

    async def write(data, more=True):
        await send({'type': 'http.response.body', 'body': data, 'more_body': more})

    if name == 'flaky' and is_first(key):
        await start(503, [b'content-length', b'7'])
        return await write(b'not now', False)
    run = str(uuid.uuid4())
    note(f'run {key} {user} {run}')
    text = json.dumps({'key': key, 'user': user, 'id': run, 'bytes': count}).encode()
    kind = b'text/event-stream' if name.endswith('events') else b'application/octet-stream'
    lines = [[b'content-type', kind]]
    if name.endswith('large'):
        lines.append([b'content-length', str(LARGE).encode()])
    if name == 'half-length':
        lines.append([b'content-length', b'1000'])
    if name == 'empty':
        await start(200, [b'content-length', b'0'])
    elif name == 'no-content':
        await start(204)
    elif name == 'not-modified':
        await start(304, [b'etag', b'"1"'])
    elif name in ('chunked', 'events', 'large'):
        await start(200, *lines)
        if name == 'chunked':
            for piece in (text[:10], text[10:20], text[20:]):
                await write(piece)
        elif name == 'events':
            for n in (1, 2, 3):
                await write(f'data: {n}\n\n'.encode())
        else:
            for _ in range(LARGE // 65536):
                await write(b'x' * 65536)
    elif name.startswith('half-'):
        await start(200, *lines)
        await write(b'data: 1\n\n' if name == 'half-events' else b'x' * 500)
        note('half ' + key)
        await asyncio.sleep(60)
    else:
        if name == 'wait':
            await asyncio.sleep(60)
        await start(201, [b'content-type', b'application/json'], [b'content-length', str(len(text)).encode()])
        await write(text)
    await write(b'', False)
