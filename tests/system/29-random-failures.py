"""Servers that fail at every step in every way, by chance: each recipient comes to one end, and the agent that delivers
keeps neither descriptors nor memory of any of it, but for what it may be asked for again."""

import collections
import os
import pathlib
import random
import re
import socket
import ssl
import sys

from harness import api, case, certs, client, dsn, mailbox, sandbox, smtpsink, suite, wait

SEED = int(os.environ.get("QM_SEED", "20"))
ROUNDS, MESSAGES = (10, 500) if case.LONG else (3, 100)
EACH = 2  # recipients of a message
HOSTS = 30
CONFIG = """
hostname us.test
listen public { address 192.0.2.1  submission 587  require-tls-for-auth no }
domain us.test { }
account ann { address ann@us.test }
smtp { transactions 10000 }
deliver { connect-timeout 2s  greeting-timeout 2s  command-timeout 2s  idle-timeout 1s }
queue { first-retry 1s  retry-jitter 0  longest-wait 1s  attempts 3  destination-pause 1s }
"""
CHANCE = 0.07  # of a failure each time a server speaks
WAYS = ["4xx", "5xx", "drop", "reset", "garbage", "half", "late"]
TLS_WAYS = ["drop", "reset", "garbage", "after"]


class Chaos(smtpsink.Conversation):
    """Goes on as a good server does until the dice say otherwise."""

    def say(self, step):
        way = self.sink.chance(WAYS)
        if way is None or step == "QUIT":
            return super().say(step)
        self.sink.count(step, way)
        if way in ("drop", "reset"):
            self.hang_up(way)
        if way == "late":
            self.stopping.wait(0.2)
            return super().say(step)
        if way == "half":
            self.send(b"250-2.0.0 to be cont", 0)
            self.hang_up("drop")
        text = {"4xx": b"451-4.3.0 not\r\n451 4.3.0 now\r\n", "5xx": b"550 5.7.0 never\r\n", "garbage": b"\0\xff\xfe?\r\n"}
        self.send(text[way], 0)
        return None

    def hang_up(self, way):
        if way == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        raise ConnectionAbortedError

    def fill(self):
        """In the middle of what a client says, within TLS too."""
        way = self.sink.chance(["drop", "reset"], CHANCE / 8)
        if way:
            self.sink.count("reading", way)
            self.hang_up(way)
        super().fill()

    def shake_hands(self):
        way = self.sink.chance(TLS_WAYS, 3 * CHANCE)
        if way:
            self.sink.count("handshake", way)
        if way == "garbage":
            self.sock.sendall(b"\x16\x03\x01\x40\x00" + bytes(range(256)))
        if way in ("drop", "reset", "garbage"):
            self.hang_up("drop" if way == "garbage" else way)
        super().shake_hands()
        if way == "after":
            self.hang_up("drop")


class Server(smtpsink.SmtpSink):
    """One address. dice: its own; faults: what has gone wrong so far, anywhere, as (step, way)."""

    def __init__(self, dice, faults, *arguments, **options):
        self.dice, self.faults = dice, faults
        super().__init__(*arguments, **options)

    @property
    def conversation(self):
        return Chaos

    def chance(self, ways, chance=CHANCE):
        with self._lock:
            return self.dice.choice(ways) if self.dice.random() < chance else None

    def count(self, step, way):
        self.faults.append((step, way))


class RandomFailures(case.LanCase):
    def start(self):
        print(f"QM_SEED={SEED}", file=sys.stderr)
        self.us = self.lan.host("us", 1)
        addresses = [f"192.0.2.{100 + n}" for n in range(HOSTS + 1)]
        host = self.lan.host("sink", 2, more=[f"{one}/24" for one in addresses])
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certs.Authority(self.lan.work / "ca").issue("sink", "sink.test"))
        self.faults, self.servers = [], {}
        for n, address in enumerate(addresses[:HOSTS]):  # nobody listens at the last one
            extensions = ["PIPELINING"] * (n % 2) + ["STARTTLS"] * (n % 3 != 0) + ["CHUNKING"] * (n % 4 > 1)
            self.servers[address] = Server(random.Random(SEED + n), self.faults, host, 25, address=address, tls=context,
                                           extensions=["8BITMIME", "ENHANCEDSTATUSCODES", *extensions])
            self.addCleanup(self.servers[address].close)
        self.addresses = addresses
        self.suite = suite.Suite(CONFIG, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        self.agent = next(pid for pid, line in self.suite.processes().items() if "delivery/direct" in line)
        self.inbox = mailbox.Maildir(self.suite.folder / "state/mail/ann")

    def round(self, number):
        """Sends so many messages and waits until nothing is left of them; returns their recipients."""
        to = []
        with client.connect("192.0.2.1", 587) as smtp:
            client.plain(smtp, "ann@us.test", "secret")
            for n in range(MESSAGES):
                address = self.addresses[n % len(self.addresses)]
                some = [f"r{number}.{n}.{one}@[{address}]" for one in range(EACH)]
                smtp.sendmail("ann@us.test", some, client.message(some[0], f"m{number}.{n}", sender="ann@us.test",
                                                                  size=200_000 if n % 10 == 0 else 0))
                to += some
        wait.until(lambda: self.suite.qmctl("status")["queue"]["messages"] == 0, 60,
                   lambda: f"an empty queue: {self.suite.qmctl('status')['queue']}")
        return to

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.agent}/fd"))

    def memory(self):
        """KiB that are its own."""
        return int(re.search(r"^Anonymous:\s+(\d+)", pathlib.Path(f"/proc/{self.agent}/smaps_rollup").read_text(), re.M)[1])

    def check_ends(self, to):
        """Each recipient has one end, which the server and the sender know of."""
        ends = collections.defaultdict(list)
        for row in self.suite.qmctl("retired", "list"):
            if row["from"]:
                ends[row["to"]].append("delivered" if row["success"] else "failed")
        self.assertEqual(set(ends), set(to))
        self.assertEqual({one: what for one, what in ends.items() if len(what) != 1}, {})
        taken = collections.Counter(one.split(" ")[0].strip("<>") for server in self.servers.values()
                                    for mail in server.mails if mail.accepted and mail.data for one in mail.recipients)
        self.assertEqual(taken, collections.Counter(one for one, what in ends.items() if what == ["delivered"]))
        told = collections.Counter(one["final-recipient"].split("; ")[1] for octets in self.inbox.raw()
                                   for one in dsn.parse(octets).recipients)
        self.assertEqual(told, collections.Counter(one for one, what in ends.items() if what == ["failed"]))
        return collections.Counter(what[0] for what in ends.values())

    def test_nothing_is_left_of_failures_at_any_step(self):
        self.start()
        idle = self.descriptors()
        to, memory, attempts = [], [], []
        for number in range(ROUNDS):
            to += self.round(number)
            attempts.append(sum(line.get("m") in ("delivered", "deferred", "failed") for line in self.suite.log()))
            wait.until(lambda: self.descriptors() <= idle, 15, lambda: f"{idle} descriptors; there are {self.descriptors()}")
            memory.append(self.memory())
        ends = self.check_ends(to)
        print(f"{ends}; {attempts} attempts; {len(self.faults)} faults; {memory} KiB", file=sys.stderr)
        for step in ("CONNECT", "EHLO", "STARTTLS", "MAIL", "RCPT", "DATA", "DATA-END", "BDAT", "handshake", "reading"):
            self.assertIn(step, {one for one, _ in self.faults})
        if not sandbox.is_sanitized():
            # Up to 8 MiB of results are kept, less than 1 KiB each; and so many freed blocks of each size, sooner or later.
            first, blocks = (ROUNDS // 2, 512) if case.LONG else (0, 3072)
            self.assertLess(memory[-1] - memory[first], blocks + attempts[-1] - attempts[first])
        self.suite.stop()


if __name__ == "__main__":
    case.main()
