"""An HTTP server that keeps every request and answers as told: the application behind webhooks.

    hooks = HttpSink()                       # on loopback; HttpSink(host, port=80) on a host of net.py
    hooks.answer(503, 503, 200)              # the next three, then 200 for ever
    hooks.wait(3)[0].json()
"""

import http.server
import json
import threading
import time

from . import net, wait


class Request:
    """method, path (with its query), headers (email.message.Message), body (octets), at (monotonic seconds)."""

    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.at = time.monotonic()

    def json(self):
        return json.loads(self.body)


class Answer:
    """status; body (octets or text); headers (dict); delay: seconds before the answer; drop: close the
    connection without an answer; drip: the body never ends, an octet comes in so many seconds, 0: as many as
    the client takes."""

    def __init__(self, status=200, body=b"", headers=None, delay=0.0, drop=False, drip=None):
        self.status, self.headers, self.delay, self.drop, self.drip = status, headers or {}, delay, drop, drip
        self.body = body.encode() if isinstance(body, str) else body


class HttpSink:
    """Listens at once. host: a net.Host or None. port: 0 picks one. tls: an ssl.SSLContext or None."""

    def __init__(self, host=None, port=0, address=None, tls=None):
        self.requests, self._answers, self._always = [], [], Answer()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        address = address or (host.v4 if host else "127.0.0.1")
        server_class = _server_class(address)
        if host:
            with host.inside():
                self._server = server_class((address, port), _handler(self))
        else:
            self._server = server_class((address, port), _handler(self))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.address, self.port = self._server.server_address[:2]
        name = f"[{self.address}]" if ":" in self.address else self.address
        self.url = f"{'https' if tls else 'http'}://{name}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(wait.STEP,), daemon=True)
        self._thread.start()

    def answer(self, *answers):
        """Queues answers for the next requests, in order: an Answer, or a status alone."""
        with self._lock:
            self._answers += [one if isinstance(one, Answer) else Answer(one) for one in answers]

    def always(self, answer):
        """The answer when none is queued. At first 200 with an empty body."""
        with self._lock:
            self._always = answer if isinstance(answer, Answer) else Answer(answer)

    def wait(self, count=1, timeout=15.0):
        """Waits for at least `count` requests; returns all of them."""
        wait.until(lambda: len(self.requests) >= count, timeout,
                   lambda: f"{count} requests at {self.url}; there were {len(self.requests)}")
        return list(self.requests)

    def take(self, request):
        """Keeps a request; returns its answer. For the server's own threads."""
        with self._lock:
            self.requests.append(request)
            answer = self._answers.pop(0) if self._answers else self._always
        self._stopping.wait(answer.delay)
        return answer

    def drip(self, file, seconds):
        """Until the client goes, or we do. For the server's own threads."""
        while not self._stopping.wait(seconds):
            try:
                file.write(b"x" if seconds else b"x" * 65536)
            except OSError:
                return

    def close(self):
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def _server_class(address):
    class Server(http.server.ThreadingHTTPServer):
        address_family = net.family(address)
        request_queue_size = 128
        daemon_threads = True

        def handle_error(self, request, client_address):
            """A client that goes away is no news."""

    return Server


def _handler(sink):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self):
            length = int(self.headers.get("Content-Length", 0))
            body = self._chunks() if self.headers.get("Transfer-Encoding") == "chunked" \
                else self.rfile.read(length)
            answer = sink.take(Request(self.command, self.path, self.headers, body))
            if answer.drop:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for key, value in answer.headers.items():
                self.send_header(key, value)
            if "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(len(answer.body) if answer.drip is None else 1 << 40))
            self.end_headers()
            if answer.drip is not None:
                sink.drip(self.wfile, answer.drip)
                self.close_connection = True
                return
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        def _chunks(self):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
            return b"".join(parts)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = _serve

        def log_message(self, *arguments):
            """Nothing: requests are kept, not printed."""

    return Handler
