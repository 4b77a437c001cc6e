"""Bodies and their limits, compression: python3 live_bodies.py SERVER"""
import gzip
import os
import tempfile
import zlib

from live_harness import Live, Server, chunked, crc, curl, main, request


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
            c.send(request("POST", "/raw", b"3;a\n\r\nabc\r\n0\r\n\r\n",
                           Transfer_Encoding="chunked")
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
                                 (chunked(b"x" * (1 << 20), 5000),
                                  {"Transfer_Encoding": "chunked"})]:
                with s.connect() as c:
                    octets = request("POST", "/raw?max=10", body, **fields)
                    self.send_and_expect(c, octets, 413, b"too large")
                    self.assertTrue(c.closed())

    def test_a_body_that_is_passed_over_has_an_end_too(self):
        with Server() as s:
            for content_type, begin in [("text/plain", b""), (self.MULTIPART_TYPE, b"--b--")]:
                body = chunked(begin + b"x" * (2 << 20), 9000)
                with s.connect() as c:
                    self.send_and_expect(
                        c, request("POST", "/form?fields=10&files=10", body,
                                   Content_Type=content_type, Transfer_Encoding="chunked"),
                        413, b"too large")
                r = s.ask(request("POST", "/form?fields=10&files=10",
                                  chunked(begin + b"x" * 900000, 9000), Content_Type=content_type,
                                  Transfer_Encoding="chunked"))
                self.assertEqual((r.status, r.body), (200, b""))

    def test_a_refusal_comes_in_the_middle_of_an_endless_body(self):
        with Server() as s, s.connect() as c:
            body = chunked(b"x" * (1 << 20), 5000)[:-len(b"0\r\n\r\n")]
            octets = request("POST", "/raw?max=10", body, Transfer_Encoding="chunked")
            self.send_and_expect(c, octets, 413, b"too large")

    def test_a_client_that_is_refused_can_go_on_sending_for_a_while(self):
        # A reset, which sending to a closed socket brings about, could destroy the answer.
        with Server() as s, s.connect() as c:
            body = chunked(b"x" * (1 << 20), 5000)[:-len(b"0\r\n\r\n")]
            octets = request("POST", "/raw?max=10", body, Transfer_Encoding="chunked")
            self.send_and_expect(c, octets, 413, b"too large")
            self.assertTrue(c.closed())
            for _ in range(100):
                c.send(chunked(b"x" * 4096, 4096)[:-len(b"0\r\n\r\n")])

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

    def test_a_large_body_that_is_not_wanted_need_not_even_be_sent(self):
        with Server() as s, s.connect() as c:
            c.send(request("POST", "/noread", b"x" * (1 << 20))[:-(1 << 20)])
            r = c.response()
            self.assertEqual((r.status, r.header("Connection")), (401, "close"))
            self.assertTrue(c.closed())

    def test_continue_is_sent_only_when_the_body_is_wanted(self):
        with Server() as s:
            with s.connect() as c:
                c.send("POST /raw HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                       "Expect: 100-continue\r\n\r\n")
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
                c.send(request("POST", "/later?ms=20", body, Content_Type=self.URLENCODED,
                               X_Read="1"))
                self.assertEqual(c.response().body.decode(), f"a|-|-|-|{n}|{crc(b'x' * n)}\n")
                c.send(request("POST", "/later?ms=20", body, Content_Type=self.URLENCODED))
                self.assertEqual(c.response().body, b"later\n")

    def test_all_bodies_together_are_limited(self):
        with Server(body_total=100000) as s:
            with s.connect() as first, s.connect() as second:
                first.send(request("POST", "/raw", b"x" * 80000)[:-1])
                s.wait_for(lambda stats: stats["octets"] == 79999)
                self.assertEqual(s.ask(request("POST", "/raw", b"x" * 30000)).status, 503)
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
            self.assertEqual(out.decode(), f"a|-|-|-|1|{crc(b'b')}\n"
                                           f"f|big|x/y|-|{100 << 20}|{want}\n")


class Compression(Live):
    def test_a_compressible_200_is_compressed_for_who_takes_it(self):
        plain = bytes(b"abcdefg"[i % 7] for i in range(5000))
        with Server() as s:
            for path, accept, compressed in [
                ("/text?n=5000", "gzip", True), ("/text?n=5000", "br, gzip;q=0.1", True),
                ("/text?n=5000", "gzip;q=0", False), ("/text?n=5000", "br", False),
                ("/text?n=5000&status=400", "gzip", False),
                ("/text?n=5000&binary=1", "gzip", False),
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


if __name__ == "__main__":
    main()
