"""Requests that mean harm: each is refused and logged, the process stays, and others are served meanwhile."""

import os
import pathlib
import socket
import time

from harness import api, case, smtpsink, suite, wait

CONFIG = """
hostname mail.example.org
listen web {{
    address {us}
    http 80  webapi yes  metrics yes
}}
domain mox.example {{ dkim test {{ key-file "${{dir}}/dkim.pem" }} }}
account mjl {{ address mjl@mox.example }}
transport sink {{ smtp {{ host {sink}  port 25  tls none }} }}
route {{ transport sink }}
webapi {{ header-timeout 2s  transfer-timeout 4s  connections 200 }}
"""
DKIM_KEY = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
"""
HELLO = {"To": [{"Address": "a@example.net"}], "Text": "hi"}
FORM = "application/x-www-form-urlencoded"


class AttackCase(case.LanCase):
    config = CONFIG

    def setUp(self):
        super().setUp()
        us, sink = self.lan.host("us"), self.lan.host("sink")
        self.us, self.sink = us, smtpsink.SmtpSink(sink, 25)
        self.addCleanup(self.sink.close)
        self.suite = suite.Suite(self.config.format(us=us.v4, sink=sink.v4), host=us)
        self.suite.add_file("dkim.pem", DKIM_KEY)
        self.suite.add_file("state/credentials", api.credentials({"mjl": "secret"}))
        self.enterContext(self.suite)
        self.web = api.Api(us.v4, 80)
        self.mjl = api.Api(us.v4, 80, "mjl@mox.example", "secret")

    def pid(self):
        pid, = [pid for pid, line in self.suite.processes().items() if "--name=webapi/0 " in line]
        return pid

    def connect(self):
        sock = socket.create_connection((self.us.v4, 80), timeout=20)
        self.addCleanup(sock.close)
        return sock

    def answer_to(self, octets):
        """The status that these octets are answered with, None when the connection is closed without one; and whether
        it is closed then."""
        sock, got = self.connect(), b""
        try:
            sock.sendall(octets)
        except OSError:
            pass  # closed while it is being sent; what was said before can be read
        try:
            while b"\r\n\r\n" not in got:
                more = sock.recv(65536)
                if not more:
                    break
                got += more
            status = int(got.split()[1]) if got else None
            sock.settimeout(3)
            while sock.recv(65536):
                pass
            closed = True
        except TimeoutError:
            closed = False
        except ConnectionError:
            closed, status = True, int(got.split()[1]) if got else None
        return status, closed

    def still_fine(self):
        before = time.monotonic()
        self.assertEqual(self.web.get("/healthz").status, 200)
        answer = self.mjl.call("Send", HELLO)
        self.assertEqual(answer.status, 200, answer.text)
        self.assertLess(time.monotonic() - before, 5)
        self.assertEqual(self.suite.find_log(m="process ended"), [])


class Requests(AttackCase):
    def head(self, *lines, method="POST", path="/webapi/v0/Send", host=True):
        lines = [f"{method} {path} HTTP/1.1"] + ([f"Host: {self.us.v4}"] if host else []) + list(lines)
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"

    def attacks(self):
        """What is sent -> the statuses it may be answered with."""
        login = "Authorization: " + self.mjl.headers["Authorization"]
        chunked = self.head("Transfer-Encoding: chunked", login, f"Content-Type: {FORM}")
        get = {"method": "GET", "path": "/webapi/v0/"}
        return {
            "length and chunked": (self.head("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n", {400}),
            "chunked and length": (self.head("Transfer-Encoding: chunked", "Content-Length: 5") + b"0\r\n\r\n", {400}),
            "two lengths": (self.head("Content-Length: 5", "Content-Length: 6") + b"hello", {400}),
            "the same length twice": (self.head("Content-Length: 5", "Content-Length: 5") + b"hello", {400}),
            "a list of lengths": (self.head("Content-Length: 5, 5") + b"hello", {400}),
            "a signed length": (self.head("Content-Length: +5") + b"hello", {400}),
            "a length beyond 64 bits": (self.head("Content-Length: 18446744073709551617") + b"x", {400, 413}),
            "a coding it does not know": (self.head("Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", {400, 501}),
            "a coding in disguise": (self.head("Transfer-Encoding: xchunked") + b"0\r\n\r\n", {400, 501}),
            "two codings": (self.head("Transfer-Encoding: chunked", "Transfer-Encoding: identity") + b"0\r\n\r\n", {400, 501}),
            "two hosts": (self.head("Host: localhost", **get), {400}),
            "no host": (self.head(host=False, **get), {400}),
            "a bare line feed": (f"GET /webapi/v0/ HTTP/1.1\nHost: {self.us.v4}\n\n".encode(), {400}),
            "one bare line feed": (f"GET /webapi/v0/ HTTP/1.1\r\nHost: {self.us.v4}\nX: y\r\n\r\n".encode(), {400}),
            "a bare carriage return": (self.head("X: a\rContent-Length: 5", **get), {400}),
            "a folded field": (self.head("X: a\r\n b", **get), {400}),
            "a space before the colon": (self.head("Content-Length : 5") + b"hello", {400}),
            "a field without a colon": (self.head("nonsense", **get), {400}),
            "a NUL in a field": (self.head("X: a\0b", **get), {400}),
            "a NUL in the path": (self.head(method="GET", path="/webapi/v0/%00"), {400}),
            "a NUL in the request line": (self.head(method="GET", path="/webapi\0/v0/"), {400}),
            "a bad escape": (self.head(method="GET", path="/webapi/%zz"), {400}),
            "a version of its own": (f"GET / HTTP/9.9\r\nHost: {self.us.v4}\r\n\r\n".encode(), {400, 505}),
            "a hundred thousand fields": (self.head(*(f"X-{i}: y" for i in range(100000)), **get), {413, 431}),
            "a field of a megabyte": (self.head("X: " + "y" * (1 << 20), **get), {413, 431}),
            "a path of a megabyte": (self.head(method="GET", path="/" + "y" * (1 << 20)), {414}),
            "a chunk extension of a megabyte": (chunked + b"5;" + b"x" * (1 << 20) + b"\r\nhello\r\n0\r\n\r\n", {400}),
            "the same, of nobody": (self.head("Transfer-Encoding: chunked") + b"5;" + b"x" * (1 << 20), {401}),
            "a chunk size of a megabyte": (chunked + b"0" * (1 << 20), {400, 413, None}),
            "a chunk without a size": (chunked + b"\r\nhello\r\n0\r\n\r\n", {400, None}),
            "a negative chunk": (chunked + b"-5\r\nhello\r\n0\r\n\r\n", {400, None}),
            "a chunk beyond 64 bits": (chunked + b"10000000000000005\r\nhello\r\n0\r\n\r\n", {400, 413, None}),
            "a chunk longer than its size": (chunked + b"3\r\nhello\r\n0\r\n\r\n", {400, None}),
            "trailers without end": (chunked + b"0\r\n" + b"X: y\r\n" * 100000, {400, 413, 431, None}),
            "not HTTP": (os.urandom(5000).replace(b"\0", b"x") + b"\r\n\r\n", {400, 414, None}),
            "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(508), {400, None}),
        }

    def test_a_what_is_no_request_is_refused_and_ends_the_connection(self):
        bystander = self.mjl.connect()  # a client with a connection of its own, all the time
        for what, (octets, statuses) in self.attacks().items():
            with self.subTest(what):
                before = len(self.suite.find_log(m="request"))
                status, closed = self.answer_to(octets)
                self.assertIn(status, statuses)
                self.assertTrue(closed, "the connection goes on")
                # What libmicrohttpd answers before it has a request line is in the log without its status.
                wait.until(lambda: any(entry["status"] in (str(status), "0") and entry["client"] == "192.0.2.254" for entry in
                                       self.suite.find_log(m="request")[before:]), what=f"the line of {what} with {status} in the log")
                bystander.request("GET", "/healthz")
                self.assertEqual(bystander.getresponse().read(), b"ok\n")
        self.still_fine()

    def test_b_what_no_message_is_made_of_is_refused(self):
        def text(value):
            return "request=" + api.urllib.parse.quote(value, safe="")
        big = "9" * 100000
        for what, body in {
                "deep lists": text("[" * 100000), "deep objects": text('{"To":' * 50000), "deep where a text is meant":
                text('{"Subject":' + "[" * 60 + "]" * 60 + "}"), "a number of 100000 digits": text('{"SaveSent":%s}' % big),
                "an endless number": text('{"Text":1e999999999}'), "text that is not UTF-8": "request=%7B%22Text%22:%22%ff%22%7D",
                "half a surrogate": text('{"Text":"\\ud800"}'), "a NUL": text('{"Text":"a\\u0000b"}'), "a raw NUL":
                "request=%7B%22Text%22:%22%00%22%7D", "an overlong form of a slash": "request=%7B%22Text%22:%22%c0%af%22%7D",
                "too many values": text('{"References":[' + '"",' * 200000 + '""]}'),
                "a million keys": text("{" + ",".join(f'"k{i}":1' for i in range(100000)) + "}"),
                "the same key again and again": text("{" + ",".join(['"Text":"x"'] * 50000) + "}"),
                "a comment": text('{/* x */"Text":"x"}'), "a mark of byte order": text('\ufeff{}')}.items():
            with self.subTest(what):
                began = time.monotonic()
                answer = self.mjl.post("Send", body)
                self.assertEqual((answer.status, answer.code), (400, "protocol"), answer.text)
                self.assertLess(len(answer.text), 1000)
                self.assertLess(time.monotonic() - began, 5)
        self.still_fine()

    def test_c_who_is_slow_is_cut_off_and_holds_nobody_up(self):
        login = f"Authorization: {self.mjl.headers['Authorization']}"
        body = self.head(login, f"Content-Type: {FORM}", "Content-Length: 1000")
        attackers = {kind: [] for kind in ("silent", "header", "body", "done")}
        for _ in range(30):
            for kind, first in (("silent", b""), ("header", b"GET / HTTP/1.1\r\nX"), ("body", body), ("done", body)):
                sock = self.connect()
                sock.sendall(first)
                attackers[kind].append(sock)
        everyone = sum(attackers.values(), [])

        def trickle():
            self.still_fine()
            alive = []
            for sock in everyone:
                try:
                    if sock not in attackers["silent"]:
                        sock.send(b"x")
                    sock.setblocking(False)
                    if sock.recv(1000) != b"":
                        alive.append(sock)
                except BlockingIOError:
                    alive.append(sock)
                except OSError:
                    pass
                finally:
                    sock.setblocking(True)
            return not alive
        wait.until(trickle, 20, "all attackers to be cut off")
        wait.until(lambda: len(self.suite.find_log(m="request", end="cut off", client="192.0.2.254")) >= 90,
                   what="a line in the log for each that had begun a request")
        self.still_fine()

    def test_d_who_does_not_read_is_cut_off(self):
        sock = self.connect()
        get = self.head(method="GET", path="/webapi/v0/Send")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(0.2)
        began = time.monotonic()

        def pipeline():
            self.still_fine()
            try:
                sock.send(get * 100)
            except TimeoutError:
                pass
            except OSError:
                return True
            return False
        wait.until(pipeline, 20, "the end of a connection whose answers nobody reads")
        self.assertGreater(time.monotonic() - began, 2)
        self.still_fine()


    def test_e_lines_without_end_take_no_time_of_the_processor(self):
        head = self.head("Transfer-Encoding: chunked", f"Authorization: {self.mjl.headers['Authorization']}",
                         f"Content-Type: {FORM}")
        self.still_fine()

        def used():
            words = pathlib.Path(f"/proc/{self.pid()}/stat").read_text().split()
            return (int(words[13]) + int(words[14])) / os.sysconf("SC_CLK_TCK")
        before, end = used(), time.monotonic() + 3
        socks = [self.connect() for _ in range(20)]
        for sock in socks:
            sock.settimeout(0.1)
            try:
                sock.sendall(head + b"5;" + b"x" * (1 << 20))
            except OSError:
                pass
        while time.monotonic() < end:  # and some more of it now and then
            for sock in socks:
                try:
                    sock.send(b"xxx")
                except OSError:
                    pass
            self.assertEqual(self.web.get("/healthz").status, 200)
        # 0.1 s or so, most of it for the questions above; once it was all there is.
        self.assertLess(used() - before, 1.5)
        self.still_fine()


class Memory(AttackCase):
    config = CONFIG.replace("transfer-timeout 4s", "transfer-timeout 60s").replace("transport sink {{ smtp", "smtp {{ message-size 50M }}\ntransport sink {{ smtp")
    SIZE = 25 << 20

    def peak(self):
        """The most that the process has had in memory since forget(), in octets; memory files are not in it."""
        status = pathlib.Path(f"/proc/{self.pid()}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) << 10

    def forget(self):
        pathlib.Path(f"/proc/{self.pid()}/clear_refs").write_text("5")

    def test_a_an_attachment_of_25_mb_takes_next_to_no_memory(self):
        content = os.urandom(1 << 20) * (self.SIZE >> 20)
        file = ("attachedfile", "large.bin", None, None, content)
        self.assertEqual(self.mjl.upload("Send", HELLO, ("attachedfile", "a", None, None, b"small")).status, 200)
        self.forget()
        before = self.peak()
        answer = self.mjl.upload("Send", HELLO, file)
        self.assertEqual(answer.status, 200, answer.text)
        grown = self.peak() - before
        self.assertLess(grown, 8 << 20)
        print(f"{grown >> 10} KiB for {self.SIZE >> 20} MiB ...", end=" ")
        mail = self.sink.wait(2, 60)[-1]
        import email
        message = email.message_from_bytes(mail.data)
        self.assertEqual(message.get_payload(1).get_payload(decode=True), content)
        self.assertEqual(message.get_payload(1).get_filename(), "large.bin")
        import dkim
        record = b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
        self.assertTrue(dkim.verify(mail.data, dnsfunc=lambda name, timeout=5: record))

    def test_b_many_large_ones_at_a_time(self):
        import threading
        content = os.urandom(1 << 20) * 8
        self.assertEqual(self.mjl.call("Send", HELLO).status, 200)
        self.forget()
        before, answers = self.peak(), []
        files = [("attachedfile", "a.bin", None, None, content), ("inlinefile", "b.bin", None, None, content)]
        threads = [threading.Thread(target=lambda: answers.append(self.mjl.upload("Send", HELLO, *files)))
                   for _ in range(6)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            began = time.monotonic()
            self.assertEqual(self.web.get("/healthz").status, 200)
            self.assertLess(time.monotonic() - began, 2)
            time.sleep(0.05)
        self.assertEqual([answer.status for answer in answers], [200] * 6)
        self.assertLess(self.peak() - before, 6 * (8 << 20))
        self.sink.wait(7, 60)


if __name__ == "__main__":
    case.main()
