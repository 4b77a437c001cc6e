"""Very many connections at once: out to servers that take their time, and in beyond what is allowed."""

import collections
import os
import pathlib
import re
import signal
import socket
import statistics
import sys
import time

from harness import api, case, certs, client, holdsink, mailbox, sandbox, suite, wait

SESSIONS, ADDRESSES, IDLE, IDLE_TLS = 1000, 50, 520, 340
OUT = """
hostname us.test
listen public { address 192.0.2.1  submission 587  require-tls-for-auth no }
domain us.test { }
account ann { address ann@us.test }
smtp { transactions 10000 }
queue { destination-concurrency-start %(each)d  destination-concurrency %(each)d }
""" % {"each": SESSIONS // ADDRESSES}
IN = """
hostname us.test
listen public { address 192.0.2.1  smtp 25 }
domain us.test { }
account ann { address ann@us.test }
workers { smtpd %d }
smtp { connections %d  connections-per-address 10000 }
"""
IN_TLS = IN.replace("smtp 25 }", 'smtp 25  certificate-file "tls.pem"  key-file "tls.key" }')
FEWER = "fewer than configured, since the limit of descriptors is low"
REFUSED = re.compile(rb"421 4\.7\.0 (us\.test )?too many connections, try again later\r\n")


class LimitedSuite(suite.Suite):
    """One whose processes may have so many descriptors, whatever they need."""

    descriptors = 256

    def command(self):
        return ["prlimit", f"--nofile={self.descriptors}:{self.descriptors}", *super().command()]


class Crowds(case.LanCase):
    def start(self, config, kind=suite.Suite, disk=False):
        self.us = self.lan.host("us", 1, disk=disk)
        self.suite = kind(config, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        if "tls.pem" in config:
            cert, key = certs.Authority(self.suite.folder / "ca").issue("mx", "mx.us.test")
            self.suite.add_file("tls.pem", cert.read_text())
            self.suite.add_file("tls.key", key.read_text())
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        return self.suite

    def process(self, name):
        return next(pid for pid, line in self.suite.processes().items() if name in line)

    def check_memory(self, pid, before, count, most):
        """What each of so many costs the process, whose memory was `before` without them: less than `most`, in KiB. Under
        AddressSanitizer it is told and not judged: there every allocation has zones around it, and freed ones are kept."""
        each = (pss_kib(pid) - before) / count
        print(f"{each:.1f} KiB for each of {count}", file=sys.stderr)
        if not sandbox.is_sanitized():
            self.assertLess(each, most)

    # ---- out

    def hold(self):
        self.addresses = [f"192.0.2.{100 + n}" for n in range(ADDRESSES)]
        sink = holdsink.HoldSink(self.lan.host("sink", 2, more=[f"{address}/24" for address in self.addresses]))
        self.addCleanup(sink.close)
        return sink

    def submit(self, count):
        """So many messages, each for one recipient, over one connection; returns their subjects."""
        subjects = [f"m{n}" for n in range(count)]
        with client.connect("192.0.2.1", 587) as smtp:
            client.plain(smtp, "ann@us.test", "secret")
            for n, subject in enumerate(subjects):
                to = f"b@[{self.addresses[n % ADDRESSES]}]"
                smtp.sendmail("ann@us.test", [to], client.message(to, subject, sender="ann@us.test"))
        return subjects

    def wait_empty(self):
        wait.until(lambda: self.suite.qmctl("status")["queue"]["messages"] == 0, 60,
                   lambda: f"an empty queue: {self.suite.qmctl('status')['queue']}")

    def test_a_thousand_sessions_are_open_at_once(self):
        sink = self.hold()
        self.start(OUT)
        delivery = self.process("delivery/direct")
        before = pss_kib(delivery)
        subjects = self.submit(SESSIONS)
        sink.wait_held(SESSIONS)
        self.assertEqual(sink.open, SESSIONS)
        self.assertGreaterEqual(len(os.listdir(f"/proc/{delivery}/fd")), 2 * SESSIONS)  # connections and messages
        self.check_memory(delivery, before, SESSIONS, 32)
        self.assertEqual(self.suite.find_log(m=FEWER), [])
        sink.release()
        self.wait_empty()
        self.assertEqual(sorted(sink.taken), sorted(subjects))
        self.assertEqual(sink.most, SESSIONS)
        self.suite.stop()

    def test_with_few_descriptors_there_are_fewer_and_all_is_delivered(self):
        sink = self.hold()
        self.start(OUT, LimitedSuite)
        said = {line["setting"]: (line["configured"], line["used"]) for line in self.suite.find_log(m=FEWER)}
        self.assertEqual(said["queue.concurrency"], ("1600", "64"))  # (256 - 64) / 3
        self.assertEqual(said["connections"], ("1300", "96"))  # (256 - 64) / 2
        self.assertEqual(said["smtp.connections"], ("1000", "96"))
        subjects = self.submit(300)
        sink.wait_held(40)
        sink.release()
        self.wait_empty()
        self.assertEqual(sorted(sink.taken), sorted(subjects))
        self.assertLessEqual(sink.most, 96)
        self.suite.stop()

    # ---- in

    def connect(self):
        """A connection whose first words were read: (socket, words)."""
        sock = socket.create_connection(("192.0.2.1", 25), timeout=30)
        self.addCleanup(sock.close)
        return sock, read_line(sock)

    def crowd(self, tries):
        """Connects so often. Returns the sockets of those that were greeted, and how many were turned away."""
        greeted, refused = [], 0
        for _ in range(tries):
            sock, words = self.connect()
            if words.startswith(b"220 "):
                greeted.append(sock)
                continue
            self.assertRegex(words, REFUSED)
            self.assertEqual(sock.recv(1), b"")
            refused += 1
        return greeted, refused

    def crowd_each(self, tries):
        """So many connections to every SMTP server process, one after the other; returns their sockets."""
        pids, greeted = [pid for pid, line in self.suite.processes().items() if "qm-smtpd" in line], []
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
            greeted += self.crowd(tries)[0]
            os.kill(pid, signal.SIGSTOP)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        self.assertEqual(len(greeted), tries * len(pids))
        return greeted

    def check_served(self, socks):
        """Each of these can still hand a message over."""
        inbox = mailbox.Maildir(self.suite.folder / "state/mail/ann")
        for n, sock in enumerate(socks):
            octets = client.message("ann@us.test", f"in{n}")
            with sock.makefile("rwb") as file:
                for line, code in ((b"HELO c", b"250"), (b"MAIL FROM:<>", b"250"), (b"RCPT TO:<ann@us.test>", b"250"),
                                   (b"DATA", b"354"), (octets + b".", b"250")):
                    file.write(line + b"\r\n")
                    file.flush()
                    self.assertEqual(file.readline()[:3], code)
        inbox.wait(len(socks))

    def test_those_who_only_stand_there_cost_little(self):
        self.start(IN % (1, IDLE))
        smtpd = self.process("smtpd/0")
        greeted, _ = self.crowd(20)  # what the first of all cost is no matter of each
        before = pss_kib(smtpd)
        greeted += self.crowd(IDLE - 20)[0]
        self.assertEqual(len(greeted), IDLE)
        for sock in greeted:
            sock.sendall(b"EHLO idle.test\r\n")
        for sock in greeted:
            read_reply(sock)
        self.check_memory(smtpd, before, IDLE - 20, 6)
        self.check_served([greeted[0], greeted[-1]])
        self.suite.stop()

    def begin_tls(self, sock):
        """The connection under TLS, after STARTTLS and another EHLO."""
        sock.sendall(b"EHLO idle.test\r\n")
        self.assertRegex(read_reply(sock), rb"(?m)^250.STARTTLS\r$")
        sock.sendall(b"STARTTLS\r\n")
        self.assertEqual(read_line(sock)[:4], b"220 ")
        sock = self.tls.wrap_socket(sock)
        self.addCleanup(sock.close)
        began = time.monotonic()
        sock.sendall(b"EHLO idle.test\r\n")
        read_reply(sock)
        self.waits.append(time.monotonic() - began)
        return sock

    def test_those_who_only_stand_there_under_tls_cost_little_more(self):
        self.start(IN_TLS % (1, IDLE_TLS))
        self.tls, self.waits = client.any_certificate(), []
        smtpd = self.process("smtpd/0")
        socks = [self.begin_tls(sock) for sock in self.crowd(20)[0]]
        before = pss_kib(smtpd)
        socks += [self.begin_tls(sock) for sock in self.crowd(IDLE_TLS - 20)[0]]
        self.assertEqual(len(socks), IDLE_TLS)
        self.check_memory(smtpd, before, IDLE_TLS - 20, 32)
        # Nobody waits until its part of the handshake is acknowledged for want of anything to say to it.
        self.assertLess(statistics.median(self.waits), 0.03)
        self.check_served([socks[0], socks[-1]])
        self.suite.stop()

    def test_who_comes_when_it_is_full_gets_421_and_the_others_are_served(self):
        self.start(IN % (1, 100))
        greeted, refused = self.crowd(120)
        self.assertEqual((len(greeted), refused), (100, 20))
        self.check_served([greeted[0], greeted[50], greeted[99]])
        greeted[7].close()
        wait.until(lambda: self.suite.find_log(m="disconnected"), what="its end")
        again, refused = self.crowd(2)
        self.assertEqual((len(again), refused), (1, 1))
        self.suite.stop()

    def test_many_processes_with_few_descriptors_end_their_messages_at_once(self):
        self.start(IN % (16, 1000), LimitedSuite, disk=True)  # where a commit takes its time
        greeted = self.crowd_each(26)
        body = b"Subject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * 1400
        files = [sock.makefile("rwb") for sock in greeted]
        for file in files:
            file.write(b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<ann@us.test>\r\nDATA\r\n" + body)
            file.flush()
        for file in files:
            self.assertEqual([file.readline()[:3] for _ in range(4)], [b"250"] * 3 + [b"354"])
        qmgr = self.process("qm-qmgr")
        os.kill(qmgr, signal.SIGSTOP)  # so that it finds all that it may be given at once
        try:
            for file in files:
                file.write(b".\r\n")
                file.flush()
            wait.until(lambda: self.unread() == 0, 60, "the SMTP servers to have read it all")
        finally:
            os.kill(qmgr, signal.SIGCONT)
        self.assertEqual(collections.Counter(file.readline()[:3] for file in files), {b"250": len(files)})
        self.assertEqual(self.suite.find_log(m="channel broken"), [])
        self.wait_empty()
        self.assertEqual(len(mailbox.Maildir(self.suite.folder / "state/mail/ann").files()), len(files))
        self.suite.stop()

    def unread(self):
        """How many octets of clients wait for an SMTP server to read them."""
        lines = [line.split() for line in self.us.run(["cat", "/proc/net/tcp"]).stdout.splitlines()[1:]]
        return sum(int(words[4].partition(":")[2], 16) for words in lines if words[1].endswith(":0019"))

    def test_the_limit_is_of_each_process(self):
        self.start(IN % (3, 20))
        greeted, refused = self.crowd(200)
        self.assertIn(len(greeted), range(20, 61))
        self.assertEqual(len(greeted) + refused, 200)
        self.check_served(greeted[:3])
        self.suite.stop()

    def test_with_few_descriptors_as_many_as_they_allow_are_served(self):
        self.start(IN % (1, 1000), LimitedSuite)
        greeted, refused = self.crowd(110)
        self.assertEqual((len(greeted), refused), (96, 14))
        self.check_served([greeted[0], greeted[95]])
        self.suite.stop()


def read_line(sock):
    words = b""
    while not words.endswith(b"\n") and (octets := sock.recv(4096)):
        words += octets
    return words


def read_reply(sock):
    """To the last line of it, a 250."""
    words = b""
    while not re.search(rb"(?m)^250 .*\n", words):
        octets = sock.recv(4096)
        if not octets:
            raise EOFError(words)
        words += octets
    return words


def pss_kib(pid):
    return int(re.search(r"^Pss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])


if __name__ == "__main__":
    case.main()
