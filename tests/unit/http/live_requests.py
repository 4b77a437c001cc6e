"""Requests that are served and requests that are refused: python3 live_requests.py SERVER"""
import socket

from live_harness import Live, Server, crc, main, request


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
                c.send(b"GET http://other:81/x HTTP/1.1\r\nHost: a\r\n"
                       b"X-Forwarded-For: nonsense\r\n\r\n")
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
            post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"
            + smuggled,
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
            "GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YTpi\r\n"
            "Authorization: Basic Yzpk\r\n\r\n"
            + smuggled,
            "POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n\r\n"
            + smuggled,
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

    def test_a_refusal_is_a_response_like_any(self):
        with Server() as s:
            for octets in ["GET /a HTTP/1.1\r\n\r\n", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
                           "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n"]:
                with s.connect() as c:
                    c.send(octets)
                    r = c.response()
                    self.assertEqual(r.status, 400)
                    self.assertEqual(r.header("X-Frame-Options"), "deny")
                    self.assertRegex(r.body, rb"^the [ -~]+\n$")
                    self.assertTrue(c.closed())

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


if __name__ == "__main__":
    main()
