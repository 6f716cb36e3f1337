"""An origin of the trial `keepalive`: answers a number with its own bytes, and records every POST. For gunicorn."""

import os
from urllib.parse import parse_qs

RECORD = os.open(os.environ["RECORD"], os.O_CREAT | os.O_APPEND | os.O_WRONLY)


def app(environ, start_response):
    number = int(environ["PATH_INFO"].rsplit("/", 1)[1])
    length = int(parse_qs(environ["QUERY_STRING"])["length"][0])
    method = environ["REQUEST_METHOD"]
    pattern = b"%015d\n" % number
    if method == "POST":
        sent = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        if sent != (pattern * (len(sent) // 16 + 1))[: len(sent)]:
            start_response("400 Bad Request", [("Content-Length", "0")])
            return [b""]
        os.write(RECORD, b"%d\n" % number)
    headers = [("Content-Length", str(length)), ("X-Number", str(number)), ("X-Method", method)]
    start_response("200 OK", headers)
    return [(pattern * (length // 16 + 1))[:length]]
