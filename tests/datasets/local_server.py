"""A web server on this machine that can be told to misbehave."""

import hashlib
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves `files` by name, and can be told to misbehave."""

    def __init__(self):
        self.files = {}
        self.requests = []  # (name, status, Range or None)
        self.ranges = True
        self.etag = True
        self.length = True
        self.drop_after = None
        self.status = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments):
                pass

            def do_GET(self):
                outer.answer(self)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        serve = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        serve.start()
        self.address = f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, handler):
        name = handler.path.lstrip("/")
        asked = handler.headers.get("Range")
        content = self.files.get(name)
        if self.status is not None or content is None:
            self.requests.append((name, self.status or 404, asked))
            handler.send_error(self.status or 404)
            return
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        start, status = 0, 200
        if self.ranges and asked and handler.headers.get("If-Range", tag) == tag:
            start, status = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]), 206
        if status == 206 and start >= len(content):
            status = 416
        self.requests.append((name, status, asked))
        handler.send_response(status)
        if status == 416:
            handler.send_header("Content-Range", f"bytes */{len(content)}")
            handler.end_headers()
            return
        if status == 206:
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            handler.send_header("Content-Range", span)
        if self.length:
            handler.send_header("Content-Length", str(len(content) - start))
        if self.etag:
            handler.send_header("ETag", f"W/{tag}" if self.etag == "weak" else tag)
        if name.endswith(".tgz"):
            handler.send_header("Content-Encoding", "x-gzip")
        handler.end_headers()
        body = content[start:]
        if self.drop_after is not None:
            body = body[: self.drop_after]
        handler.wfile.write(body)
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_WR)
