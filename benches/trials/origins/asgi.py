"""An origin of the trial `keepalive`: answers a number with its own bytes, and records every POST. For uvicorn."""

import os
from urllib.parse import parse_qs

RECORD = os.open(os.environ["RECORD"], os.O_CREAT | os.O_APPEND | os.O_WRONLY)


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    number = int(scope["path"].rsplit("/", 1)[1])
    length = int(parse_qs(scope["query_string"].decode())["length"][0])
    pattern = b"%015d\n" % number
    status = 200
    if scope["method"] == "POST":
        sent, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            sent += message.get("body", b"")
            more = message.get("more_body", False)
        if sent == (pattern * (len(sent) // 16 + 1))[: len(sent)]:
            os.write(RECORD, b"%d\n" % number)
        else:
            status = 400
    headers = [
        (b"content-length", str(length).encode()),
        (b"x-number", str(number).encode()),
        (b"x-method", scope["method"].encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": (pattern * (length // 16 + 1))[:length]})
