"""The SMTP server before clients that break off, send garbage, or never come to an end."""

import random
import socket

from harness import case, mailbox, suite, wait

CONFIG = """
hostname mx.test.example
listen l { address 127.0.0.1  smtp ${port:smtp}  submission ${port:submission}  require-tls-for-auth no }
domain test.example { }
account qm { address qm@test.example }
queue { minimum-free 1M }
workers { smtpd 2 }
smtp { error-delay 0  errors 1000  recipients 100000  connections-per-address 1000 }
"""
DIALOGUE = (b"EHLO x\r\nMAIL FROM:<a@elsewhere.example>\r\nRCPT TO:<qm@test.example>\r\nDATA\r\n"
            b"Subject: one\r\nMessage-ID: <%d@elsewhere.example>\r\n\r\nbody\r\n.\r\nQUIT\r\n")
STEPS = (b"EHLO x\r\n", b"MAIL FROM:<a@elsewhere.example>\r\n", b"RCPT TO:<qm@test.example>\r\n", b"DATA\r\n",
         b"Subject: one\r\n\r\nbody\r\n.\r\n", b"QUIT\r\n")
MILLION = 1_000_000 if case.LONG else 100_000


class SmtpServer(case.LanCase):
    def setUp(self):
        super().setUp()
        self.suite = suite.Suite(CONFIG).start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        self.inbox = mailbox.Maildir(self.suite.folder / "state/mail/qm")

    def connect(self, port="smtp"):
        sock = socket.create_connection(("127.0.0.1", self.suite.port(port)), 30)
        self.addCleanup(sock.close)
        return sock

    def local(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(30)
        sock.connect(str(self.suite.folder / "run/submit.sock"))
        self.addCleanup(sock.close)
        return sock

    def talk(self, sock, octets):
        """Sends it all, says that this was all, and returns what the server said until it closed."""
        sock.sendall(octets)
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as replies:
            return replies.read()

    def still_works(self):
        self.assertIn(b"\r\n221 ", self.talk(self.connect(), b"EHLO x\r\nQUIT\r\n"))

    def test_what_was_acknowledged_is_there_wherever_a_client_breaks_off(self):
        acknowledged = opened = 0
        for i in range(0, len(DIALOGUE) + 1, 3):
            for sock in (self.connect(), self.local()):
                opened += 1
                sock.sendall((DIALOGUE % i)[:i])
                if i % 2:  # else without a look at the replies
                    sock.shutdown(socket.SHUT_WR)
                    with sock.makefile("rb") as replies:
                        acknowledged += b"queued as" in replies.read()
                sock.close()
        wait.until(lambda: len(self.suite.find_log(m="disconnected")) == opened, what="the end of all connections")
        queued = len(self.suite.find_log(m="queued", by="smtp")) + len(self.suite.find_log(m="queued", by="local"))
        self.assertGreater(acknowledged, 0)
        self.assertGreaterEqual(queued, acknowledged)
        self.assertEqual(len(self.inbox.wait(queued)), queued)
        self.still_works()
        self.suite.stop()

    def test_a_reset_in_any_step_takes_nothing_down(self):
        for steps in range(len(STEPS) + 1):
            sock = self.connect()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            replies = sock.makefile("rb")
            replies.readline()
            for step in STEPS[:steps]:
                sock.sendall(step)
                while replies.readline()[3:4] == b"-":
                    pass
            replies.close()
            sock.close()
        self.still_works()
        self.suite.stop()

    def test_a_multitude_of_recipients(self):
        """Those beyond the limit are refused, one by one, and the message goes to those before."""
        sock, count = self.connect("smtp"), MILLION
        replies = sock.makefile("rb")
        sock.sendall(b"EHLO x\r\nMAIL FROM:<>\r\n")
        while not replies.readline().startswith(b"250 2.1.0"):
            pass
        taken = refused = 0
        for first in range(0, count, 1000):
            sock.sendall(b"".join(b"RCPT TO:<qm+%d@test.example>\r\n" % n for n in range(first, first + 1000)))
            for _ in range(1000):
                code = replies.readline()[:9]
                taken += code == b"250 2.1.5"
                refused += code == b"452 4.5.3"
        self.assertEqual((taken, refused), (min(count, 100000), max(0, count - 100000)))
        sock.sendall(b"RSET\r\nQUIT\r\n")
        self.assertEqual(replies.read()[:3], b"250")
        self.suite.stop()

    def test_garbage(self):
        chance = random.Random(7)
        words = [b"EHLO x\r\n", b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<qm@test.example>\r\n", b"DATA\r\n", b".\r\n",
                 b"\r\n", b"\n", b"\r", b"\0", b"RSET\r\n", b"AUTH PLAIN ", b"AUTH LOGIN\r\n", b"STARTTLS\r\n", b"=", b"*\r\n",
                 b"BDAT 5\r\n", b"Subject: x\r\n", b"<" * 300, b"\"\\", b"@[", b" SIZE=1", b"x" * 5000]
        for i in range(300):
            octets = b"EHLO x\r\n" + b"".join(chance.choice(words) if chance.random() < 0.9 else chance.randbytes(20)
                                               for _ in range(chance.randrange(40)))
            sock = chance.choice([self.connect, lambda: self.connect("submission"), self.local])()
            try:
                said = self.talk(sock, octets)
            except (BrokenPipeError, ConnectionResetError):
                continue
            for line in said.split(b"\r\n")[:-1]:
                self.assertRegex(line, rb"\A[245][0-9][0-9][ -]|\A3[35]4 ")
                self.assertLessEqual(len(line), 510)
        self.still_works()
        self.suite.stop()

    def test_slow_clients_do_not_hold_up_others(self):
        slow = [self.connect() for _ in range(200)]
        for sock in slow:
            sock.sendall(b"EHLO x\r\nMAIL FR")
        said = self.talk(self.connect(), DIALOGUE % 1)
        self.assertIn(b"queued as", said)
        for sock in slow:
            sock.close()
        self.suite.stop()


if __name__ == "__main__":
    case.main()
