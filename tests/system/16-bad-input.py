"""What strangers, servers, neighbours and configurations should not send: refused, and nobody falls over."""

import array
import contextlib
import os
import random
import re
import socket
import struct
import time
import uuid

from harness import api, case, certs, client, mailbox, sandbox, smtpsink, suite, wait

CONFIG = """
hostname mx.us.test
listen public {
    address 192.0.2.1   smtp 25   submission 587   submissions 465   http 80   webapi yes
    certificate-file "tls.pem"   key-file "tls.key"
}
smtp { error-delay 0s }
domain us.test { }
account ann { address ann@us.test }
transport sink { smtp { host 192.0.2.2  tls none  idle-timeout 0  command-timeout 2s  greeting-timeout 2s
                        data-timeout 2s  final-timeout 2s  connect-timeout 2s } }
route { transport sink }
"""
MORE_MEMORY = (1024 if sandbox.is_sanitized() else 64) << 20  # octets that a process may hold because of a stranger
DIALOGUE = [b"EHLO client.test\r\n", b"MAIL FROM:<b@example.net>\r\n", b"RCPT TO:<ann@us.test>\r\n", b"DATA\r\n",
            b"Subject: half\r\n\r\nhalf of a ", b"message\r\n.", b"\r\n"]


class BadInput(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1)
        self.sink = smtpsink.SmtpSink(self.lan.host("sink", 2), 25)
        self.addCleanup(self.sink.close)
        self.suite = suite.Suite(CONFIG, host=self.us)
        cert, key = certs.Authority(self.suite.folder / "ca").issue("mx", "mx.us.test")
        self.suite.add_file("tls.pem", cert.read_text())
        self.suite.add_file("tls.key", key.read_text())
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        self.inbox = mailbox.Maildir(self.suite.folder / "state/mail/ann")
        self.random = random.Random(self._testMethodName)

    def still_well(self):
        """A normal mail passes, and nobody was started anew."""
        token = uuid.uuid4().hex
        client.send(self.us.v4, 25, "b@example.net", ["ann@us.test"], client.message("ann@us.test", token))
        wait.until(lambda: any(token.encode() in octets for octets in self.inbox.raw()), what="a normal mail")
        status = self.suite.qmctl("status")
        self.assertEqual({one["name"]: one["restarts"] for one in status["processes"] if one["restarts"]}, {})

    def finish(self):
        self.still_well()
        self.suite.stop()

    def connect(self, port=25):
        sock = socket.create_connection((self.us.v4, port), timeout=30)
        self.addCleanup(sock.close)
        return sock

    def reset(self, sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    def resident(self, name):
        """Octets of memory that the processes of that kind hold, the most of any."""
        most = 0
        for pid, line in self.suite.processes().items():
            if f"--name={name}" in line:
                kib = re.search(r"VmRSS:\s+(\d+) kB", open(f"/proc/{pid}/status").read())[1]
                most = max(most, int(kib) * 1024)
        return most

    # ---- strangers over TCP

    def test_connections_that_end_at_any_step(self):
        for how in (socket.socket.close, self.reset):
            for steps in range(len(DIALOGUE) + 1):
                for waits in (True, False):
                    sock = self.connect()
                    for octets in DIALOGUE[:steps]:
                        if waits and not octets.startswith((b"Subject", b"message", b"\r\n")):
                            sock.recv(4096)
                        sock.sendall(octets)
                    how(sock)
        for port in (587, 465, 80):
            for octets in (b"", b"EHLO x\r\nSTARTTLS\r\n", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                           b"GET / HTTP/1.1\r\n", b"POST /webapi/v0/Send HTTP/1.1\r\nContent-Length: 99\r\n\r\nhalf",
                           b"EHLO x\r\nAUTH PLAIN\r\n", self.random.randbytes(2000)):
                for how in (socket.socket.close, self.reset):
                    sock = self.connect(port)
                    with contextlib.suppress(OSError):
                        sock.sendall(octets)
                    how(sock)
        half = [octets for octets in self.inbox.raw() if b"half of a message" not in octets and b"half" in octets]
        self.assertEqual(half, [])
        self.finish()

    def flood(self, octets, times, port=25, lead=b"EHLO client.test\r\nMAIL FROM:<b@example.net>\r\n"):
        """Sends octets so many times without pause, reading what comes back; returns all of that."""
        sock, answers, left = self.connect(port), [], times
        sock.setblocking(False)
        out = lead
        end = time.monotonic() + 60
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < end:
                if len(out) < 65536 and left > 0:
                    count = min(left, 65536 // len(octets) + 1)
                    out, left = out + octets * count, left - count
                with contextlib.suppress(BlockingIOError):
                    if out:
                        out = out[sock.send(out):]
                    elif left == 0:
                        sock.shutdown(socket.SHUT_WR)
                        left = -1
                with contextlib.suppress(BlockingIOError):
                    got = sock.recv(65536)
                    if not got:
                        break
                    answers.append(got)
        return b"".join(answers)

    def test_a_million_recipients(self):
        before = self.resident("smtpd/")
        answers = self.flood(b"RCPT TO:<ann@us.test>\r\n", 1_000_000)  # one recipient, whatever often
        self.assertEqual(answers.count(b"250 2.1.5"), 1_000_000)
        lead = b"EHLO client.test\r\nMAIL FROM:<b@example.net>\r\n" + b"".join(
            b"RCPT TO:<ann+%d@us.test>\r\n" % number for number in range(1_000_000))
        answers = self.flood(b"RSET\r\n", 1, lead=lead)
        self.assertEqual(answers.count(b"250 2.1.5"), 1000)
        self.assertIn(b"452 4.5.3", answers)
        answers = self.flood(b"RCPT TO:<guess@us.test>\r\n", 1_000_000)
        self.assertIn(b"\n421 ", answers)
        self.assertLess(self.resident("smtpd/"), before + MORE_MEMORY)
        self.finish()

    def test_lines_that_are_too_long_and_octets_that_do_not_belong(self):
        before = self.resident("smtpd/")
        self.assertRegex(self.flood(b"x" * 50_000_000 + b"\r\n", 1), rb"\n500 5\.5\.\d")
        self.assertRegex(self.flood(b"NOOP\0\0\r\n", 5, lead=b""), rb"\n5\d\d ")
        self.assertIn(b"\n421 ", self.flood(b"\x80\xff\xfe\r\n", 1000))
        self.assertIn(b"\n421 ", self.flood(b"MAIL\r\n", 100_000))
        lead = b"EHLO client.test\r\nMAIL FROM:<b@example.net>\r\nRCPT TO:<ann@us.test>\r\nDATA\r\n"
        for octets, times, end in ((b"\0", 1, b"\r\n.\r\n"), (b"x" * 65536, 100, b"\r\n.\r\n"),
                                   (b"X-Header: y\r\n", 200_000, b"\r\n.\r\n"), (b"bare\nline", 10, b"\r\n.\r\n"),
                                   (b"bare\rreturn", 10, b"\r\n.\r\n"), (b"Received: x\r\n", 200, b"\r\nx\r\n.\r\n")):
            with self.subTest(octets=octets[:20]):
                answer = self.flood(octets * times + end, 1, lead=lead)
                self.assertRegex(answer.split(b"354 ")[1], rb"\n5\d\d 5\.")
        self.assertEqual(self.inbox.files(), [])
        self.assertLess(self.resident("smtpd/"), before + MORE_MEMORY)
        self.finish()

    def test_many_connections_at_once(self):
        socks = [self.connect(port) for port in (25, 587, 465, 80) for _ in range(70)]
        answers = []
        for sock in socks[:140]:  # of which two processes keep 50 each
            with contextlib.suppress(OSError):
                answers.append(sock.recv(100)[:3])
        self.assertIn(b"421", answers)
        for sock in socks:
            sock.close()
        wait.until(lambda: self.greets(), what="the connections to be gone")
        self.finish()

    def greets(self):
        with contextlib.suppress(OSError):
            with socket.create_connection((self.us.v4, 25), timeout=5) as sock:
                return sock.recv(100).startswith(b"220")

    # ---- neighbours over Unix sockets

    def unix(self, name, kind):
        sock = socket.socket(socket.AF_UNIX, kind)
        self.addCleanup(sock.close)
        sock.settimeout(10)
        sock.connect(str(self.suite.folder / "run" / name))
        return sock

    def head(self, kind, length, flags=0):
        return struct.pack("!HHIQ", kind, flags, length, 7)

    def test_garbage_on_every_unix_socket(self):
        self.suite.allow_error("channel broken")
        records = [self.random.randbytes(self.random.randrange(1, 3000)) for _ in range(50)]
        for kind in list(range(0x0600, 0x0610)) + list(range(0x0700, 0x070c)) + [0, 0xffff]:
            for flags in (0, 1, 2, 3, 0xffff):
                records += [self.head(kind, 0, flags), self.head(kind, 4, flags) + b"\xff" * 4,
                            self.head(kind, 9, flags) + b"\0" * 9, self.head(kind, 2**32 - 1, flags)]
        records = [one for one in records if one[:2] != b"\x07\x04"]  # stop is an order, not garbage
        for name in ("admin.sock", "master.sock"):
            for record in records:
                sock = self.unix(name, socket.SOCK_SEQPACKET)
                with contextlib.suppress(OSError):
                    sock.send(record)
                    sock.send(record)
                sock.close()
        self.send_descriptors()
        for octets in (b"\0" * 100_000, self.random.randbytes(100_000), b"MAIL FROM:<" + b"(" * 5000 + b">\r\n",
                       b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<ann@us.test>\r\nDATA\r\nhalf"):
            sock = self.unix("submit.sock", socket.SOCK_STREAM)
            with contextlib.suppress(OSError):
                sock.sendall(octets)
            sock.close()
        os.seteuid(2000)  # a user who may look at the queue
        try:
            idle = [self.unix(name, kind) for name, kind in (("admin.sock", socket.SOCK_SEQPACKET),
                                                             ("submit.sock", socket.SOCK_STREAM)) for _ in range(100)]
        finally:
            os.seteuid(0)
        self.still_well()
        wait.until(lambda: self.suite.qmctl("status")["queue"]["messages"] == 0, what="the normal mail to leave the queue")
        self.assertEqual(self.suite.qmctl("queue", "list"), [])
        self.us.run(["/run/bin/sendmail", "-C", self.suite.config_path, "ann@us.test"], input="Subject: x\n\nx\n")
        for sock in idle:
            sock.close()
        self.finish()

    def send_descriptors(self):
        """Descriptors where none belong, also as a spilled payload that is no sealed memory file."""
        for name in ("admin.sock", "master.sock"):
            for flags in (0, 2):
                sock = self.unix(name, socket.SOCK_SEQPACKET)
                fds = [os.open("/dev/zero", os.O_RDONLY), os.memfd_create("x")]
                anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
                with contextlib.suppress(OSError):
                    sock.sendmsg([self.head(0x0601, 1000, flags)], anc)
                for fd in fds:
                    os.close(fd)
                sock.close()

    # ---- servers that we speak to

    def test_servers_that_answer_nonsense(self):
        bad = [("CONNECT", smtpsink.Reply("hello")), ("CONNECT", smtpsink.Reply("554 go away")),
               ("CONNECT", smtpsink.Reply("220-x\n" * 20000 + "220 x")), ("CONNECT", smtpsink.Reply("2" * 100_000)),
               ("CONNECT", smtpsink.Reply(None)), ("EHLO", smtpsink.Reply("250-\0\n250 \xff")),
               ("EHLO", smtpsink.Reply("999 what")), ("MAIL", smtpsink.Reply("250-a\n350 b")),
               ("RCPT", smtpsink.Reply("600 six")), ("RCPT", smtpsink.Reply(None)), ("DATA", smtpsink.Reply("250 no")),
               ("DATA", smtpsink.Reply("354 go", reset=True)), ("DATA-END", smtpsink.Reply("nonsense")),
               ("DATA-END", smtpsink.Reply("250-endless\n" * 3000, drop=True)),
               ("RCPT", smtpsink.Reply("250 ok\n250 ok\n250 ok\n354 go\n250 ok\n250 ok")),
               ("MAIL", smtpsink.Reply("250 ok", delay=4))]
        before = self.resident("delivery/sink")
        for number, (step, reply) in enumerate(bad):
            self.sink.script(step, reply)
            answer = api.Api(self.us.v4, 80, "ann@us.test", "secret").call(
                "Send", {"To": [{"Address": "b@example.net"}], "Subject": f"bad-{number}", "Text": "x"})
            self.assertEqual(answer.status, 200)
            wait.until(lambda: self.tried(f"bad-{number}"), 20, f"a result after {step} {(reply.text or '')[:30]}")
            self.sink.script(step)
        self.assertLess(self.resident("delivery/sink"), before + MORE_MEMORY)
        wait.until(self.is_empty, 20, "what is left to be delivered")
        ended = {row["subject"]: row["success"] for row in self.suite.qmctl("retired", "list", "--to", "b@example.net")}
        taken = {re.search(rb"Subject: (bad-\d+)", mail.data)[1].decode() for mail in self.sink.mails
                 if mail.accepted and mail.recipients}
        self.assertEqual({subject for subject, success in ended.items() if success}, taken)
        self.assertEqual(len(taken), len(bad))  # a smarthost that greets with 554 is waited for, too
        self.finish()

    def tried(self, subject):
        rows = [row for row in self.suite.qmctl("queue", "list") if row["subject"] == subject]
        return not rows or (rows[0]["attempts"] > 0 and rows[0]["state"] == "queued")

    def is_empty(self):
        self.suite.qmctl("queue", "kick", "--all", check=False)
        return self.suite.qmctl("queue", "list") == []

    # ---- configurations

    def test_configurations_that_are_none(self):
        self.suite.allow_error("")
        good = self.suite.config_path.read_text()
        for text in ("", "}", "listen {", "listen a { address 192.0.2.1 smtp 25 " * 50, "\0\1\2", "hostname \"",
                     "hostname " + "a" * 10_000, "include \"quartermaster.conf\"", "include \"/dev/zero\"",
                     good + "listen public { address 192.0.2.1 smtp 26 }", good + "account ann { address x@us.test }",
                     good + "route { transport none }", good.replace("smtp 25", "smtp 99999"),
                     good.replace("us.test", "us..test"), good + "queue { first-retry 0 }", "x " * 200_000,
                     self.random.randbytes(5000).decode("latin-1"), good + "#" * 5_000_000,
                     good.replace('"tls.key"', '"tls.pem"')):
            self.suite.config_path.write_text(text)
            with self.subTest(text=text[:40]):
                done = self.suite.qmctl("reload", check=False)
                self.assertIn(done.returncode, (78, 69), done)
        self.suite.config_path.unlink()
        self.assertNotEqual(self.suite.qmctl("reload", check=False).returncode, 0)
        self.suite.config_path.write_text(good)
        self.suite.qmctl("reload")
        self.finish()


if __name__ == "__main__":
    case.main()
