"""Drives live_server.c over real sockets: python3 live_http.py SERVER [unittest arguments]."""
import gzip
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

SERVER = None
PATIENCE = 20  # seconds; only ever waited for when something is broken


class Server:
    """A running server; settings as live_server.c takes them."""

    def __init__(self, **settings):
        self.process = subprocess.Popen(
            [SERVER] + [f"{k}={v}" for k, v in settings.items()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port, self.second_port = map(int, self.process.stdout.readline().split())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.process.stdout.close()
        assert code == 0, f"the server ended with {code}"

    def connect(self, port=None):
        return Client(self.port if port is None else port)

    def ask(self, request):
        with self.connect() as c:
            c.send(request)
            return c.response()

    def get(self, path):
        return self.ask(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")

    def stats(self):
        return dict((k, int(v)) for k, v in
                    (kv.split("=") for kv in self.get("/stats").body.decode().split()))

    def wait_for(self, condition):
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            stats = self.stats()
            if condition(stats):
                return stats
        raise AssertionError(f"never came true; last: {stats}")

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        found = [v for k, v in self.headers if k.lower() == name.lower()]
        assert len(found) <= 1, (name, found)
        return found[0] if found else None


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets.encode("latin-1") if isinstance(octets, str) else octets)

    def _more(self):
        octets = self.socket.recv(65536)
        if not octets:
            raise EOFError(self.pending)
        self.pending += octets

    def response(self, head=False):
        while b"\r\n\r\n" not in self.pending:
            self._more()
        text, self.pending = self.pending.split(b"\r\n\r\n", 1)
        lines = text.decode("latin-1").split("\r\n")
        version, status = lines[0].split(" ")[:2]
        assert version == "HTTP/1.1", lines[0]
        response = Response(int(status), [line.split(": ", 1) for line in lines[1:]], b"")
        length = response.header("Content-Length")
        if int(status) >= 200 and not head and length is not None:
            while len(self.pending) < int(length):
                self._more()
            response.body = self.pending[:int(length)]
            self.pending = self.pending[int(length):]
        return response

    def closed(self):
        """Whether the server has closed, nothing more having come. A reset counts as False."""
        try:
            return self.pending == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return False

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def request(method, path, body=b"", **fields):
    text = f"{method} {path} HTTP/1.1\r\nHost: a\r\n"
    for name, value in fields.items():
        text += f"{name.replace('_', '-')}: {value}\r\n"
    if body and "Transfer_Encoding" not in fields:
        text += f"Content-Length: {len(body)}\r\n"
    return text.encode("latin-1") + b"\r\n" + body


def chunked(body, size):
    out = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + size]), body[i:i + size])
                   for i in range(0, len(body), size))
    return out + b"0\r\n\r\n"


def crc(octets):
    return "%08x" % (zlib.crc32(octets) & 0xffffffff)


def curl(*args):
    done = subprocess.run(["curl", "-sS", "--max-time", str(PATIENCE * 3)] + list(args),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.returncode, done.stdout, done.stderr.decode()


class Live(unittest.TestCase):
    maxDiff = None


class Requests(Live):
    def test_a_request_is_answered_with_the_common_fields(self):
        with Server() as s:
            r = s.get("/hello")
            self.assertEqual((r.status, r.body), (200, b"hello\n"))
            self.assertEqual(r.header("X-Frame-Options"), "deny")
            self.assertEqual(r.header("X-Content-Type-Options"), "nosniff")
            self.assertEqual(r.header("Content-Security-Policy"),
                             "default-src 'self' 'unsafe-inline' data:")
            self.assertEqual(r.header("Referrer-Policy"), "same-origin")
            self.assertEqual(r.header("Content-Type"), "text/plain; charset=utf-8")
            self.assertIsNotNone(r.header("Date"))
            self.assertIsNone(r.header("Connection"))

    def test_a_connection_serves_many_requests(self):
        with Server() as s, s.connect() as c:
            for _ in range(50):
                c.send(request("GET", "/hello"))
                self.assertEqual(c.response().body, b"hello\n")
            self.assertEqual(s.stats()["connections"], 2)

    def test_pipelined_requests_are_answered_in_order(self):
        with Server() as s, s.connect() as c:
            paths = ["/hello", "/later?ms=30", "/a", "/raw", "/b", "/later", "/c"]
            octets = b"".join(request("POST", p, b"12345") if p == "/raw" else request("GET", p)
                              for p in paths)
            c.send(octets * 20)
            for p in paths * 20:
                r = c.response()
                self.assertEqual(r.status, 200)
                want = {"/hello": b"hello\n", "/raw": b"5 " + crc(b"12345").encode() + b"\n"}
                if p.startswith("/later"):
                    self.assertEqual(r.body, b"later\n")
                elif p in want:
                    self.assertEqual(r.body, want[p])
                else:
                    self.assertIn(f"path={p}\n", r.body.decode())

    def test_a_request_may_come_octet_by_octet(self):
        with Server() as s, s.connect() as c:
            c.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for octet in request("POST", "/form", b"a=1&b=%41",
                                 Content_Type="application/x-www-form-urlencoded"):
                c.send(bytes([octet]))
            self.assertEqual(c.response().body,
                             f"a|-|-|-|1|{crc(b'1')}\nb|-|-|-|1|{crc(b'A')}\n".encode())

    def test_what_was_asked_reaches_the_handler(self):
        with Server() as s:
            r = s.ask(request("PATCH", "/a/%20b/../c%2f?z=1&q=x%20y+z", X_TEST=" v ",
                              X_Forwarded_For="2001:db8::1 , 10.0.0.1"))
            self.assertEqual(r.body.decode(),
                             "method=PATCH\npath=/a/c/\nq=x y z\nhost=a\nclient=127.0.0.1\nx=v\n"
                             "listener=first\nforwarded=10\n")
            with s.connect(s.second_port) as c:
                c.send(b"GET http://other:81/x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: nonsense\r\n\r\n")
                body = c.response().body.decode()
                self.assertIn("path=/x\n", body)
                self.assertIn("host=other:81\n", body)
                self.assertIn("listener=second\n", body)
                self.assertIn("forwarded=the X-Forwarded-For field does not begin", body)

    def test_head_has_the_fields_of_get_and_no_body(self):
        with Server() as s, s.connect() as c:
            for path in ["/hello", "/text?n=5000", "/file"]:
                c.send(request("GET", path))
                get = c.response()
                c.send(request("HEAD", path))
                head = c.response(head=True)
                drop_date = lambda r: [h for h in r.headers if h[0] != "Date"]
                self.assertEqual(drop_date(head), drop_date(get))
                c.send(request("GET", "/hello"))
                self.assertEqual(c.response().body, b"hello\n")

    def test_a_file_is_sent_whole(self):
        with Server() as s:
            want = b"".join(b"%d\n" % i for i in range(300000))
            r = s.ask(request("GET", "/file", Accept_Encoding="gzip"))
            self.assertEqual(r.body, want)
            self.assertIsNone(r.header("Content-Encoding"))

    def test_extra_fields_are_sent_and_none_can_be_injected(self):
        with Server() as s:
            r = s.get("/fields")
            self.assertEqual((r.status, r.header("Location"), r.header("X-Fine")), (303, "/a", "b"))
            self.assertIsNone(r.header("X-Injected"))
            self.assertIsNone(r.header("X-Split"))

    def test_http_1_0_is_served_and_closed(self):
        with Server() as s, s.connect() as c:
            c.send("GET /hello HTTP/1.0\r\n\r\n")
            r = c.response()
            self.assertEqual(r.body, b"hello\n")
            self.assertEqual(r.header("Connection"), "close")
            self.assertTrue(c.closed())

    def test_connection_close_is_honoured(self):
        with Server() as s, s.connect() as c:
            c.send(request("GET", "/hello", Connection="close"))
            self.assertEqual(c.response().header("Connection"), "close")
            self.assertTrue(c.closed())


class Refusals(Live):
    HOST = "Host: a\r\n"

    def refused(self, octets, statuses=(400,)):
        """Refused, closed, and neither it nor what hides behind it reaches a handler."""
        with Server() as s, s.connect() as c:
            before = s.stats()["handled"]
            c.send(octets)
            status, rest = None, b""
            try:
                r = c.response()
                status = r.status
                self.assertEqual(r.header("Connection"), "close", octets)
            except (EOFError, ConnectionResetError):
                pass
            while True:  # to the end: there must be no second answer
                try:
                    more = c.socket.recv(65536)
                except ConnectionResetError:
                    break
                if not more:
                    break
                rest += more
            self.assertNotIn(b"HTTP/1.1 200", rest, octets)
            self.assertIn(status, statuses, octets)
            self.assertEqual(s.stats()["handled"], before + 1, octets)  # the second stats itself

    def test_smuggling_is_refused(self):
        smuggled = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
        post = "POST /raw HTTP/1.1\r\n" + self.HOST
        for octets in [
            post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n12345" + smuggled,
            post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345" + smuggled,
            post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
            post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled,
            post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + smuggled,
            post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + smuggled,
            post + "Transfer-Encoding: identity\r\n\r\n" + smuggled,
            post + "Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n" + smuggled,
            post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled,
            post + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + smuggled,
            post + "Content-Length : 5\r\n\r\n12345" + smuggled,
            post + "Content-Length\t: 5\r\n\r\n12345" + smuggled,
            post + " Content-Length: 5\r\n\r\n12345" + smuggled,
            post + "Content-Length:\r\n 5\r\n\r\n12345" + smuggled,
            post + "Content-: 5\r\n Length\r\n\r\n12345" + smuggled,
            post + "A: b\r\n c\r\n\r\n" + smuggled,
            post + "A: b\r\n\tc\r\nD: e\r\n\r\n" + smuggled,
            post + "A: b\r\n \r\n\r\n" + smuggled,
            post + "A:\r\n b\r\n\r\n" + smuggled,
            post + "A: b\r\nCon\r\n tent-Length: 5\r\n\r\n12345" + smuggled,
            "POST /raw HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
            "GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + smuggled,
            "GET /a HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n" + smuggled,
            "GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n" + smuggled,
            "GET /a HTTP/1.1\r\nHost: a b\r\n\r\n" + smuggled,
            "GET /a HTTP/1.1\r\nHost: a@b\r\n\r\n" + smuggled,
            "GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YTpi\r\nAuthorization: Basic Yzpk\r\n\r\n"
            + smuggled,
            "POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n\r\n" + smuggled,
        ]:
            with self.subTest(octets):
                self.refused(octets)

    def test_lines_must_end_in_cr_lf(self):
        for octets in [
            "GET /a HTTP/1.1\nHost: a\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nA: b\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\nA: b\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\n\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nA: b\n\n",
            "GET /a HTTP/1.1\nHost: a\n\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nA: b\rC: d\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nA: b\r\r\n\r\n",
        ]:
            with self.subTest(octets):
                self.refused(octets)

    def test_hidden_octets_are_refused(self):
        for octets in [
            "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a%0d%0ab HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a?b=c\0d HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\0b\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nA: b\0\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nA: b\0c: d\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nA\0: b\r\n\r\n",
            "GET\0 /a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nA: \x01\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nA: \x7f\r\n\r\n",
            "GET /% HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n",
        ]:
            with self.subTest(octets):
                self.refused(octets)

    def test_malformed_requests_are_refused(self):
        # Some of these libmicrohttpd drops without a word.
        for octets in [
            "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET  /a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a  HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a HTTP/1.1 \r\nHost: a\r\n\r\n",
            "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a HTTP/1.1\r\n\r\n",
            "GET /a\r\n\r\n",
            "GET /a HTTP/9.9\r\nHost: a\r\n\r\n",
            "GET /a HTTP/1.2\r\nHost: a\r\n\r\n",
            "GET /a http/1.1\r\nHost: a\r\n\r\n",
            "G(T /a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
            "GET /a HTTP/1.1\r\nHost: a\r\nA(: b\r\n\r\n",
            "POST /raw HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n12345",
            "POST /raw HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n12345",
            "POST /raw HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n12345",
            "POST /raw HTTP/1.1\r\nHost: a\r\nContent-Length: 5,5\r\n\r\n12345",
            "POST /raw HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n12345",
            "POST /raw HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        ]:
            with self.subTest(octets):
                self.refused(octets, (400, 413, 505, None))

    def test_a_path_never_leaves_the_root(self):
        with Server() as s:
            for path, clean in [("/../../etc/passwd", "/etc/passwd"), ("/%2e%2e/%2e%2e/a", "/a"),
                                ("/a/..%2f..%2fb/", "/b/"), ("//a//./b", "/a/b"), ("/..", "/")]:
                self.assertIn(f"path={clean}\n", s.get(path).body.decode())

    def test_a_header_that_is_too_large_is_refused(self):
        with Server(memory=8192) as s:
            for octets, status in [
                ("GET /a HTTP/1.1\r\nHost: a\r\n" + "X: " + "x" * 9000 + "\r\n\r\n", 431),
                ("GET /a HTTP/1.1\r\nHost: a\r\n" + "X: y\r\n" * 1500 + "\r\n", 431),
                ("GET /" + "a" * 9000 + " HTTP/1.1\r\nHost: a\r\n\r\n", 414),
            ]:
                r = s.ask(octets)
                self.assertEqual(r.status, status)
                self.assertEqual(r.header("Connection"), "close")
            self.assertEqual(s.get("/hello").status, 200)

    def test_long_but_fitting_headers_are_taken(self):
        # However the read buffer has to grow meanwhile, the check of the header's layout must hold.
        with Server() as s, s.connect() as c:
            for n in list(range(1, 200, 7)) + [1000, 5000, 12000, 20000]:
                c.send(request("GET", "/hello", X_Long="x" * n, Y="", Z="\t z \t"))
                self.assertEqual(c.response().status, 200, n)
            for n in [1, 10, 100, 150]:
                text = "GET /hello?a=b&c HTTP/1.1\r\nHost: a\r\nCookie: a=b; c\r\n"
                text += "".join(f"N{i}: {i}\r\n" for i in range(n)) + "\r\n"
                for i in range(0, len(text), 100):
                    c.send(text[i:i + 100])
                self.assertEqual(c.response().status, 200, n)


class Bodies(Live):
    MULTIPART = (b"--b\r\nContent-Disposition: form-data; name=\"request\"\r\n\r\n{}\r\n"
                 b"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.png\"\r\n"
                 b"Content-Type: image/png\r\nContent-ID: <i@d>\r\n\r\nPNG\r\n--b--\r\n")
    MULTIPART_TYPE = "multipart/form-data; boundary=b"
    URLENCODED = "application/x-www-form-urlencoded"

    def test_forms_are_read_with_length_and_in_chunks(self):
        with Server() as s:
            want = f"request|-|-|-|2|{crc(b'{}')}\nf|x.png|image/png|<i@d>|3|{crc(b'PNG')}\n"
            r = s.ask(request("POST", "/form", self.MULTIPART, Content_Type=self.MULTIPART_TYPE))
            self.assertEqual(r.body.decode(), want)
            for size in [1, 2, 7, 50, 1000]:
                r = s.ask(request("POST", "/form", chunked(self.MULTIPART, size),
                                  Content_Type=self.MULTIPART_TYPE, Transfer_Encoding="chunked"))
                self.assertEqual(r.body.decode(), want)
                self.assertEqual(r.header("Connection"), "close")
            r = s.ask(request("POST", "/form", b"", Content_Type=self.URLENCODED))
            self.assertEqual((r.status, r.body), (200, b""))

    def test_what_is_no_form_is_told_to_the_handler(self):
        with Server() as s:
            for body, content_type in [(b"a=%zz", self.URLENCODED), (b"x", self.MULTIPART_TYPE),
                                       (b"x", "multipart/form-data"), (b"x", "nonsense")]:
                r = s.ask(request("POST", "/form", body, Content_Type=content_type))
                self.assertEqual(r.status, 400)
                self.assertIsNone(r.header("Connection"))
            r = s.ask(request("POST", "/form", b"x"))
            self.assertEqual(r.status, 400)
            self.assertIn(b"Content-Type", r.body)

    def test_bad_chunks_end_the_request(self):
        with Server() as s:
            for body in [b"x\r\n", b"-1\r\n", b"5\r\n123456\r\n0\r\n\r\n", b"fffffffffffffffff\r\n",
                         b"5;\r\n12345XX0\r\n\r\n"]:
                with s.connect() as c:
                    c.send(request("POST", "/raw", body, Transfer_Encoding="chunked"))
                    try:
                        self.assertIn(c.response().status, (400, 413), body)
                    except (EOFError, ConnectionResetError):
                        pass
            self.assertEqual(s.get("/hello").status, 200)

    def test_nothing_behind_a_chunked_body_is_a_request(self):
        with Server() as s, s.connect() as c:
            c.send(request("POST", "/raw", b"3;a\n\r\nabc\r\n0\r\n\r\n", Transfer_Encoding="chunked")
                   + request("GET", "/hello"))
            try:
                self.assertNotIn(b"hello", c.response().body)
                self.assertTrue(c.closed())
            except (EOFError, ConnectionResetError):
                pass

    def test_limits_give_413_with_close_and_the_client_reads_it(self):
        with Server() as s:
            for body, fields in [
                (b"x" * 1001, {}),                      # announced: refused before it is read
                (b"x" * (300 << 10), {}),
                (b"x" * (20 << 20), {}),
                (chunked(b"x" * 1001, 100), {"Transfer_Encoding": "chunked"}),
                (chunked(b"x" * (8 << 20), 9000), {"Transfer_Encoding": "chunked"}),
            ]:
                with s.connect() as c:
                    octets = request("POST", "/raw?max=1000", body, **fields)
                    self.send_and_expect(c, octets, 413, b"too large")
            r = s.ask(request("POST", "/raw?max=1000", b"x" * 1000))
            self.assertEqual(r.status, 200)

    def send_and_expect(self, c, octets, status, text):
        """Sends until the server does not take more, then must be able to read the whole answer."""
        try:
            c.send(octets)
        except (BrokenPipeError, ConnectionResetError):
            pass
        r = c.response()
        self.assertEqual(r.status, status)
        self.assertIn(text, r.body)

    def test_a_large_body_that_is_refused_closes_the_connection(self):
        with Server() as s:
            for body, fields in [(b"x" * (1 << 20), {}),
                                 (chunked(b"x" * (1 << 20), 5000), {"Transfer_Encoding": "chunked"})]:
                with s.connect() as c:
                    self.send_and_expect(c, request("POST", "/raw?max=10", body, **fields), 413, b"")
                    self.assertTrue(c.closed())

    def test_a_small_body_that_is_not_wanted_leaves_the_connection_open(self):
        with Server() as s, s.connect() as c:
            for n in [1, 1000, 256 << 10]:
                c.send(request("POST", "/noread", b"x" * n))
                r = c.response()
                self.assertEqual((r.status, r.header("Connection")), (401, None), n)
            c.send(request("POST", "/raw?max=10", b"x" * 1000))
            self.assertEqual(c.response().status, 413)
            c.send(request("GET", "/hello"))
            self.assertEqual(c.response().body, b"hello\n")

    def test_a_large_body_that_is_not_wanted_is_not_read(self):
        with Server() as s, s.connect() as c:
            self.send_and_expect(c, request("POST", "/noread", b"x" * (2 << 20)), 401, b"not read")

    def test_continue_is_sent_only_when_the_body_is_wanted(self):
        with Server() as s:
            with s.connect() as c:
                c.send("POST /raw HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
                self.assertEqual(c.response().status, 100)
                c.send(b"12345")
                self.assertEqual(c.response().status, 200)
            for path in ["/noread", "/raw?max=4", "/later?status=401"]:
                with s.connect() as c:
                    c.send(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                           "Expect: 100-continue\r\n\r\n")
                    r = c.response()
                    self.assertIn(r.status, (401, 413))
                    self.assertEqual(r.header("Connection"), "close")
                    self.assertTrue(c.closed())
            with s.connect() as c:
                c.send("POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX-Read: 1\r\n"
                       f"Content-Type: {self.URLENCODED}\r\nExpect: 100-continue\r\n\r\n")
                self.assertEqual(c.response().status, 100)
                c.send(b"a=123")
                self.assertEqual(c.response().body.decode(), f"a|-|-|-|3|{crc(b'123')}\n")

    def test_the_body_can_be_asked_for_later(self):
        with Server() as s, s.connect() as c:
            for n in [0, 3, 100000]:
                body = b"a=" + b"x" * n
                c.send(request("POST", "/later?ms=20", body, Content_Type=self.URLENCODED, X_Read="1"))
                self.assertEqual(c.response().body.decode(), f"a|-|-|-|{n}|{crc(b'x' * n)}\n")
                c.send(request("POST", "/later?ms=20", body, Content_Type=self.URLENCODED))
                self.assertEqual(c.response().body, b"later\n")

    def test_all_bodies_together_are_limited(self):
        with Server(body_total=100000) as s:
            with s.connect() as first, s.connect() as second:
                first.send(request("POST", "/raw", b"x" * 80000)[:-1])
                until = time.monotonic() + PATIENCE
                while True:  # until the first body has been read so far
                    r = s.ask(request("POST", "/raw", b"x" * 30000))
                    if r.status == 503:
                        break
                    self.assertLess(time.monotonic(), until)
                second.send(request("POST", "/raw", b"x" * 10000))
                self.assertEqual(second.response().status, 200)
                first.send(b"x")
                self.assertEqual(first.response().status, 200)
            self.assertEqual(s.ask(request("POST", "/raw", b"x" * 90000)).status, 200)

    def test_100_mb_are_uploaded(self):
        with Server() as s, tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "big")
            block = bytes(range(256)) * 4096
            with open(path, "wb") as f:
                for _ in range(100):
                    f.write(block)
            checksum = 0
            for _ in range(100):
                checksum = zlib.crc32(block, checksum)
            want = "%08x" % checksum
            for fields in [[], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect:"]]:
                code, out, err = curl(*fields, "--data-binary", "@" + path, s.url("/raw"))
                self.assertEqual((code, out.decode()), (0, f"{100 << 20} {want}\n"), err)
            code, out, err = curl("-F", "a=b", "-F", f"f=@{path};type=x/y", s.url("/form"))
            self.assertEqual(code, 0, err)
            self.assertEqual(out.decode(), f"a|-|-|-|1|{crc(b'b')}\nf|big|x/y|-|{100 << 20}|{want}\n")


class Compression(Live):
    def test_a_compressible_200_is_compressed_for_who_takes_it(self):
        plain = bytes(b"abcdefg"[i % 7] for i in range(5000))
        with Server() as s:
            for path, accept, compressed in [
                ("/text?n=5000", "gzip", True), ("/text?n=5000", "br, gzip;q=0.1", True),
                ("/text?n=5000", "gzip;q=0", False), ("/text?n=5000", "br", False),
                ("/text?n=5000&status=400", "gzip", False), ("/text?n=5000&binary=1", "gzip", False),
            ]:
                r = s.ask(request("GET", path, Accept_Encoding=accept))
                self.assertEqual(r.header("Content-Encoding"), "gzip" if compressed else None, path)
                self.assertEqual(gzip.decompress(r.body) if compressed else r.body, plain)
            self.assertIsNone(s.get("/text?n=5000").header("Content-Encoding"))
            self.assertEqual(s.get("/text?n=5000").header("Vary"), "Accept-Encoding")
            r = s.ask(request("GET", "/text?n=100", Accept_Encoding="gzip"))
            self.assertIsNone(r.header("Content-Encoding"))  # too short to be worth it
            code, out, err = curl("--compressed", s.url("/text?n=5000"))
            self.assertEqual((code, out), (0, plain), err)


class Waiting(Live):
    def test_a_thousand_requests_wait_at_once(self):
        with Server(connections=1200) as s:
            clients = [s.connect() for _ in range(1000)]
            for c in clients:
                c.send(request("GET", "/hold"))
            s.wait_for(lambda stats: stats["held"] == 1000)
            self.assertEqual(s.get("/hello").body, b"hello\n")  # others are served meanwhile
            self.assertEqual(s.get("/release").body, b"1000\n")
            for c in clients:
                self.assertEqual(c.response().body, b"released\n")
            for c in clients[:10]:  # the connections go on
                c.send(request("GET", "/hello"))
                self.assertEqual(c.response().body, b"hello\n")
            for c in clients:
                c.socket.close()
            self.assertEqual(s.stats()["cancelled"], 0)

    def test_a_client_that_goes_away_cancels_its_request(self):
        with Server() as s:
            for leave in [lambda c: c.socket.close(), lambda c: c.reset(),
                          lambda c: c.socket.shutdown(socket.SHUT_WR)]:
                before = s.stats()["cancelled"]
                clients = [s.connect() for _ in range(20)]
                for i, c in enumerate(clients):
                    c.send(request("GET", "/hold") if i % 2 else request("POST", "/hold", b"x" * 5000))
                s.wait_for(lambda stats: stats["held"] == 20)
                for c in clients[:15]:
                    leave(c)
                s.wait_for(lambda stats: stats["held"] == 5 and stats["cancelled"] == before + 15)
                self.assertEqual(s.get("/release").body, b"5\n")
                for c in clients[15:]:
                    self.assertEqual(c.response().body, b"released\n")
                    c.socket.close()
                s.wait_for(lambda stats: stats["connections"] == 1)

    def test_a_client_that_goes_away_in_its_body_is_forgotten(self):
        with Server() as s:
            for leave in [lambda c: c.socket.close(), lambda c: c.reset()]:
                with s.connect() as c:
                    c.send(request("POST", "/raw", b"x" * 100000)[:-50000])
                    s.wait_for(lambda stats: stats["connections"] == 2)
                    leave(c)
                    s.wait_for(lambda stats: stats["connections"] == 1)

    def test_a_client_that_only_stops_sending_is_answered_and_let_go(self):
        # Its last octets and the end of its side arrive in one go.
        with Server() as s:
            for _ in range(100):
                with s.connect() as c:
                    c.send(request("POST", "/raw", b"12345"))
                    c.socket.shutdown(socket.SHUT_WR)
                    self.assertEqual(c.response().status, 200)
                    self.assertTrue(c.closed())
                with s.connect() as c:
                    c.send(request("POST", "/raw", b"12345")[:-1])
                    c.socket.shutdown(socket.SHUT_WR)
                    self.assertTrue(c.closed())
            self.assertEqual(s.stats()["connections"], 1)

    def test_a_request_behind_one_that_waits_is_not_lost(self):
        with Server() as s, s.connect() as c:
            c.send(request("GET", "/hold") + request("GET", "/hello"))
            s.wait_for(lambda stats: stats["held"] == 1)
            s.get("/release")
            self.assertEqual(c.response().body, b"released\n")
            self.assertEqual(c.response().body, b"hello\n")

    def test_waiting_requests_end_with_the_server(self):
        with Server() as s:
            clients = [s.connect() for _ in range(5)]
            for c in clients:
                c.send(request("GET", "/hold"))
            s.wait_for(lambda stats: stats["held"] == 5)
        # Leaving the block checks that none was forgotten.
        for c in clients:
            with self.assertRaises((EOFError, ConnectionResetError)):
                c.response()
            c.socket.close()


class Limits(Live):
    def closed_after(self, c, drip):
        """Sends drip every 20 ms until the server closes; returns how long that took."""
        began = time.monotonic()
        while time.monotonic() < began + PATIENCE:
            readable, _, _ = select.select([c.socket], [], [], 0.02)
            if readable:
                try:
                    if c.socket.recv(65536) == b"":
                        return time.monotonic() - began
                except ConnectionResetError:
                    return time.monotonic() - began
            try:
                c.send(drip)
            except (BrokenPipeError, ConnectionResetError):
                return time.monotonic() - began
        raise AssertionError("never closed")

    def test_a_slow_header_is_cut_off(self):
        with Server(header=400) as s:
            for first in [b"", b"GET /hello HTTP/1.1\r\nHost: a\r\nX: "]:
                with s.connect() as c:
                    c.send(first)
                    self.assertGreater(self.closed_after(c, b"x"), 0.3)
            with s.connect() as c:  # and one that says nothing at all
                self.assertTrue(c.closed())
            s.wait_for(lambda stats: stats["connections"] == 1)

    def test_a_slow_header_after_a_request_is_cut_off_too(self):
        with Server(header=400, idle=1000) as s, s.connect() as c:
            c.send(request("GET", "/hello"))
            c.response()
            c.send(b"GET /hello HTTP/1.1\r\nX: ")
            self.assertGreater(self.closed_after(c, b"x"), 0.3)

    def test_an_idle_connection_is_closed(self):
        with Server(idle=500) as s, s.connect() as c:
            began = time.monotonic()
            c.send(request("GET", "/hello"))
            c.response()
            self.assertTrue(c.closed())
            self.assertGreater(time.monotonic() - began, 0.4)

    def test_a_slow_body_is_cut_off(self):
        with Server(transfer=500) as s, s.connect() as c:
            c.send(b"POST /raw HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
            self.assertGreater(self.closed_after(c, b"x"), 0.4)
            self.assertEqual(s.wait_for(lambda stats: stats["connections"] == 1)["held"], 0)

    def test_a_response_that_is_not_taken_is_cut_off(self):
        with Server(transfer=500) as s:
            c = socket.socket()
            c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            c.connect(("127.0.0.1", s.port))
            c.sendall(request("GET", "/text?n=20000000"))
            s.wait_for(lambda stats: stats["connections"] == 2)
            s.wait_for(lambda stats: stats["connections"] == 1)
            c.close()

    def test_waiting_for_the_handler_has_no_limit(self):
        with Server(header=100, idle=1000, transfer=100) as s, s.connect() as c:
            c.send(request("GET", "/later?ms=2500"))
            self.assertEqual(c.response().body, b"later\n")

    def test_connections_beyond_the_limit_wait_their_turn(self):
        with Server(connections=5) as s:
            clients = [s.connect() for _ in range(20)]
            for c in clients:
                c.send(request("GET", "/hello", Connection="close"))
            for c in clients:
                self.assertEqual(c.response().body, b"hello\n")
                self.assertTrue(c.closed())
                c.socket.close()
            idle = [s.connect() for _ in range(5)]
            for c in idle:
                c.send(request("GET", "/hello"))
                c.response()
            with s.connect() as late:
                late.send(request("GET", "/hello"))
                self.assertEqual(select.select([late.socket], [], [], 0.1)[0], [])
                idle.pop().socket.close()
                self.assertEqual(late.response().body, b"hello\n")
            for c in idle:
                c.socket.close()

    def test_connections_of_one_address_are_limited(self):
        with Server(per_ip=3) as s:
            kept = [s.connect() for _ in range(3)]
            for c in kept:
                c.send(request("GET", "/hello"))
                c.response()
            with s.connect() as c:
                self.assertTrue(c.closed())
            kept.pop().socket.close()
            until = time.monotonic() + PATIENCE
            while True:
                try:
                    self.assertEqual(s.get("/hello").status, 200)
                    break
                except (EOFError, ConnectionResetError, BrokenPipeError):
                    self.assertLess(time.monotonic(), until)
            for c in kept:
                c.socket.close()


class Ending(Live):
    def test_draining_finishes_what_has_begun(self):
        with Server() as s:
            idle, waiting, sending = s.connect(), s.connect(), s.connect()
            idle.send(request("GET", "/hello"))
            idle.response()
            waiting.send(request("GET", "/later?ms=300"))
            body = b"x" * 100000
            sending.send(request("POST", "/raw", body)[:-10])
            fresh = s.connect()
            s.wait_for(lambda stats: stats["held"] == 1 and stats["connections"] == 5)
            self.assertEqual(s.get("/drain").header("Connection"), "close")
            self.assertTrue(idle.closed())
            with self.assertRaises(OSError):
                s.connect().response()
            sending.send(body[-10:])
            r = sending.response()
            self.assertEqual((r.status, r.header("Connection")), (200, "close"))
            r = waiting.response()
            self.assertEqual((r.body, r.header("Connection")), (b"later\n", "close"))
            fresh.send(request("GET", "/hello"))
            r = fresh.response()
            self.assertEqual((r.body, r.header("Connection")), (b"hello\n", "close"))
            for c in [idle, waiting, sending, fresh]:
                c.socket.close()
            self.assertEqual(s.process.wait(PATIENCE), 0)

    def test_a_silent_connection_does_not_hold_up_the_end(self):
        with Server() as s:
            with s.connect() as silent:
                s.wait_for(lambda stats: stats["connections"] == 2)
                s.get("/drain")
                self.assertTrue(silent.closed())
            self.assertEqual(s.process.wait(PATIENCE), 0)


class Log(Live):
    def test_every_request_leaves_a_line(self):
        with Server() as s:
            s.get("/hello?secret=1")
            s.ask(request("POST", "/noread", b"x"))
            s.ask("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n")
            s.ask("POST /a HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n")
            with s.connect() as c:
                c.send(request("POST", "/raw?max=9", chunked(b"x" * 600000, 9000),
                               Transfer_Encoding="chunked"))
                c.response()
            with s.connect() as c:
                c.send(request("GET", "/hold"))
                s.wait_for(lambda stats: stats["held"] == 1)
            s.wait_for(lambda stats: stats["held"] == 0 and stats["connections"] == 1)
            lines = [line for line in s.get("/log").body.decode().splitlines() if "/stats" not in line]
            self.assertEqual(lines, [
                "GET /hello 200 6 127.0.0.1 complete",
                "POST /noread 401 9 127.0.0.1 complete",
                "GET - 400 35 127.0.0.1 complete",
                "- - 400 0 127.0.0.1 cut",
                "POST /raw 413 22 127.0.0.1 complete",
                "GET /hold 0 0 127.0.0.1 cut",
            ])


if __name__ == "__main__":
    SERVER = sys.argv.pop(1)
    if shutil.which("curl") is None:
        sys.exit("curl is missing")
    unittest.main()
