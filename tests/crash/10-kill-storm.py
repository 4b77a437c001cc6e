"""Processes killed at random under load: what was acknowledged arrives, and hardly anything twice.

Each process is killed by itself, master among them, and all at once. QM_SEED=n repeats the kills of another run (its seed is
printed); QM_LONG=1 takes ten times as long, and until 100 000 messages were acknowledged.
"""

import collections
import itertools
import os
import pathlib
import random
import re
import signal
import subprocess
import threading
import time
import unittest

from harness import api, case, client, httpsink, mailbox, sandbox, smtpsink, suite, wait, wholetext

SEED = int(os.environ.get("QM_SEED", time.time_ns() % 1_000_000))
ROUNDS, SECONDS = (20, 18) if case.LONG else (3, 12)
LEAST = 100_000 if case.LONG and not sandbox.is_sanitized() else 100  # acknowledged
WRITTEN = 2.0  # seconds that qmgr, while it is up, takes at most to write down what an agent has told it
CONFIG = """
hostname mx.us.test
test-clock yes
listen public { address 192.0.2.1  smtp 25  http 80  webapi yes }
domain us.test { }
account ann { address ann@us.test }
account app { address app@us.test  webhook outgoing { url "%s/hook"  events delivered } }
transport sink { smtp { host 192.0.2.2  tls none } }
route { to example.net  transport sink }
queue { first-retry 1s  attempts 100  delay-notice-attempt 0  large-body 64K }
webhooks { allow-private yes }
deliver { connect-timeout 2s  command-timeout 10s }
"""
TOKEN = re.compile(rb"(?m)^Subject: (storm-\w+-\d+-\d+)\r?$", re.IGNORECASE)


def explained(first, second, kills, outages, agents):
    """Whether it is no wonder that a message which arrived at `first` did so again at `second`: the agent, who alone knew of the
    first time, was killed before qmgr can have written it down. That takes WRITTEN at most; where qmgr is down at that
    time, until it is up and has had WRITTEN again.

    kills: (when it began, when it was done, name). outages: (when qmgr was killed, when it was up again), in order. agents: names whose death is
    that of the agent."""
    until = first + WRITTEN
    for down, up in outages:
        if down <= until and up >= first:
            until = max(until, up + WRITTEN)
    return any(name in agents and began <= min(until, second) and ended >= first - 0.2 for began, ended, name in kills)


class Explaining(unittest.TestCase):
    def test_what_explains_a_second_arrival(self):
        for wanted, second, kills, outages in (
                (True, 5, [(1, "agent")], []), (False, 5, [], []), (False, 5, [(3, "agent")], []), (False, 5, [(1, "other")], []),
                (False, 0.5, [(1, "agent")], []),
                (True, 9, [(1, "qmgr"), (4, "agent")], [(1, 3)]), (False, 9, [(1, "qmgr"), (6, "agent")], [(1, 3)]),
                (True, 9, [(-1, "qmgr"), (4, "agent")], [(-1, 3)]), (False, 9, [(-2, "qmgr"), (4, "agent")], [(-2, -1)]),
                (True, 9, [(1, "qmgr"), (4, "qmgr"), (7, "agent")], [(1, 3), (4, 6)]),
                (True, 9, [(1, "all")], [(1, 3)]), (False, 11, [(10, "all")], [(10, 12)])):
            with self.subTest(second=second, kills=kills):
                rows = [(at, at + 0.1, name) for at, name in kills]
                self.assertEqual(explained(0, second, rows, outages, {"agent", "all"}), wanted)


class Storm(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1, disk=True)
        self.sink = smtpsink.SmtpSink(self.lan.host("sink", 2), 25)
        self.direct = smtpsink.SmtpSink(self.lan.host("direct", 4), 25)
        self.hooks = httpsink.HttpSink(self.lan.host("app", 3), 80)
        self.addCleanup(self.sink.close)
        self.addCleanup(self.direct.close)
        self.addCleanup(self.hooks.close)
        self.suite = suite.Suite(CONFIG % self.hooks.url, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"app": "secret"}))
        self.inbox = mailbox.Maildir(self.suite.folder / "state/mail/ann")
        self.stopping = threading.Event()
        self.acknowledged = {}  # token -> "smtp", "http" or "sendmail"
        self.tried = collections.Counter()
        self.kills = []  # (time.time() before, and after, name)
        self.outages, self.down = [], None  # of qmgr: (killed, seen again), and since when it is not there
        self.deck = []  # names whose turn to be killed is still to come
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())

    # ---- the load

    def smtp_sender(self, number):
        """One connection as long as it lasts; a message is acknowledged by 250 alone."""
        random_ = random.Random(f"{SEED} smtp {number}")
        smtp, turn = None, 0
        while not self.stopping.is_set():
            turn += 1
            token, size = f"storm-smtp-{number}-{turn}", random_.choice([500] * 10 + [20_000, 90_000])
            self.tried["smtp"] += 1
            try:
                smtp = smtp or client.connect(self.us.v4, 25, timeout=20)
                smtp.sendmail("b@example.net", ["ann@us.test"],
                              f"From: b@example.net\r\nTo: ann@us.test\r\nSubject: {token}\r\n\r\n{wholetext.text(random_, size)}")
                self.acknowledged[token] = "smtp"
            except OSError:  # smtplib's errors are among them
                smtp = smtp and smtp.close()
                self.stopping.wait(0.05)
        if smtp:
            smtp.close()

    def http_sender(self, number):
        web, turn = api.Api(self.us.v4, 80, "app@us.test", "secret", timeout=20), 0
        body = wholetext.text(random.Random(f"{SEED} http {number}"), 300).replace("\r\n", "\n")
        while not self.stopping.is_set():
            turn += 1
            token = f"storm-http-{number}-{turn}"
            self.tried["http"] += 1
            try:
                answer = web.call("Send", {"To": [{"Address": "b@example.net"}], "Subject": token, "Text": body})
                if answer.status == 200:
                    self.acknowledged[token] = "http"
                    continue
            except (OSError, ValueError, api.http.client.HTTPException):
                pass
            self.stopping.wait(0.05)

    def sendmail_sender(self, number):
        """Acknowledged by exit 0 alone. This mail goes out without a route."""
        body = wholetext.text(random.Random(f"{SEED} sendmail {number}"), 300).replace("\r\n", "\n")
        turn, command = 0, [self.suite.program.with_name("sendmail"), "-C", self.suite.config_path, "-i", "-f", "app@us.test"]
        while not self.stopping.is_set():
            turn += 1
            token = f"storm-sendmail-{number}-{turn}"
            self.tried["sendmail"] += 1
            if self.us.run([*command, "b@[192.0.2.4]"], input=f"Subject: {token}\n\n{body}", check=False).returncode == 0:
                self.acknowledged[token] = "sendmail"
            else:
                self.stopping.wait(0.05)

    # ---- the storm

    def pids(self):
        found = {}
        for pid, line in self.suite.processes().items():
            name = re.search(r"--name=(\S+)", line)
            if name:
                found[name[1]] = pid
        return found

    def look(self):
        """pids(), and whether qmgr is up again."""
        pids = self.pids()
        if self.down is not None and "qmgr" in pids:
            self.outages.append((self.down, time.time()))
            self.down = None
        return pids

    def killed(self, name, began):
        self.kills.append((began, time.time(), name))
        if name in ("qmgr", "all", "master") and self.down is None:
            self.down = began

    def kill_one(self, random_):
        """Kills one that is alive, of those whose turn has not come."""
        pids = wait.until(self.look, 60, "a process")  # all may rest after their deaths
        if not self.deck:
            self.deck = random_.sample(self.names, len(self.names))
        name = next((name for name in self.deck if name in pids), None)
        if name is None:
            return
        self.deck.remove(name)
        began = time.time()
        try:
            os.kill(pids[name], signal.SIGKILL)
            self.killed(name, began)
        except ProcessLookupError:
            pass

    def kill_master(self):
        """The others end by themselves."""
        began = time.time()
        self.suite.process.kill()
        wait.until(lambda: not self.suite.processes(), 10, "the end of all without master")
        self.killed("master", began)
        self.suite.kill()

    def kill_all(self):
        began = time.time()
        self.suite.kill()
        self.killed("all", began)

    def storm(self):
        random_, began = random.Random(SEED), time.monotonic()
        self.names = sorted(self.pids())
        senders = [self.smtp_sender] * 3 + [self.http_sender] * 2 + [self.sendmail_sender]
        threads = [threading.Thread(target=what, args=(number,)) for number, what in enumerate(senders)]
        for thread in threads:
            thread.start()
        for number in itertools.count(1):
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                time.sleep(random_.uniform(0.05, 0.6))  # this is the storm itself, not a wait for anything
                self.kill_one(random_)
            self.check_log()
            (self.kill_master if number % 2 else self.kill_all)()  # which also makes the next restarts quick again
            self.suite.start()
            self.look()
            if number >= 4 * ROUNDS or number >= ROUNDS and len(self.acknowledged) >= LEAST:
                break
        print(f"{number} rounds, {time.monotonic() - began:.0f} s", flush=True)
        self.stopping.set()
        for thread in threads:
            thread.join(60)

    def check_log(self):
        """A process that ended by itself, an assertion or a sanitizer's words would be in it."""
        self.suite.allow_error(r'm="process ended" .* signal=9$|m="master is gone"|why="the process went away"')
        self.suite.check_log()

    # ---- what came of it

    def drained(self):
        """Whether nothing waits any more; what was put off is tried at once."""
        counts = self.suite.qmctl("status").get("queue", {"messages": 1})
        if counts["messages"] > 0:
            self.suite.qmctl("queue", "kick", "--all", check=False)
        elif counts["webhooks"] > 0:
            self.suite.qmctl("clock", "step", 65_000)
        return counts["messages"] == counts["webhooks"] == 0

    def arrivals(self):
        """token -> times at which it arrived, each time whole."""
        found = collections.defaultdict(list)
        came = [(path.read_bytes(), path.stat().st_ctime) for path in self.inbox.files()]
        came += [(mail.data, mail.at) for mail in [*self.sink.mails, *self.direct.mails] if mail.accepted]
        for octets, at in came:
            token = TOKEN.search(octets)[1].decode()
            self.assertTrue(wholetext.is_whole(octets), token)
            found[token].append(at)
        return found

    def unexplained(self, arrivals, transports):
        """Those that came twice for no reason that kills give."""
        wrong = []
        for token, times in arrivals.items():
            agents = {"all", "master", f"delivery/{transports[token.split('-')[1]]}"}
            for first, second in itertools.pairwise(sorted(times)):
                if not explained(first, second, self.kills, self.outages, agents):
                    near = [(round(at - first, 3), name) for at, _, name in self.kills if first - 5 <= at <= second]
                    wrong.append((token, second - first, near))
        return wrong

    def rows(self, table):
        done = subprocess.run(["mdb_stat", "-s", table, self.suite.folder / "state/queue/store"],
                              capture_output=True, text=True, check=True)
        return int(re.search(r"Entries: (\d+)", done.stdout)[1])

    def test_what_was_acknowledged_arrives(self):
        print(f"seed {SEED}", flush=True)
        self.storm()
        wait.until(self.drained, 120, lambda: f"an empty queue: {self.suite.qmctl('status')}")
        arrivals = self.arrivals()
        lost = [token for token in self.acknowledged if token not in arrivals]
        twice = {token: times for token, times in arrivals.items() if len(times) > 1}
        ways = dict(collections.Counter(self.acknowledged.values()))
        print(f"{sum(self.tried.values())} tried, {len(self.acknowledged)} acknowledged {ways}, {len(arrivals)} arrived, "
              f"{len(twice)} twice; {len(self.kills)} kills: {dict(collections.Counter(n for _, _, n in self.kills))}")
        self.assertEqual(lost, [])
        self.assertGreaterEqual(len(self.acknowledged), LEAST)
        self.assertEqual(collections.Counter(self.acknowledged.values()).keys(), {"smtp", "http", "sendmail"})
        self.assertEqual({name for _, _, name in self.kills}, {*self.names, "master", "all"})
        self.assertEqual(self.unexplained(arrivals, {"smtp": "local", "http": "sink", "sendmail": "direct"}), [])
        self.assertLess(len(twice), 5 * sum(name in ("all", "master") or name.startswith("delivery/") for _, _, name in self.kills))
        self.check_history(arrivals)
        self.check_webhooks()
        self.suite.stop()
        self.assertEqual({table: self.rows(table) for table in ("msg", "rcpt", "due", "dest", "body", "hook", "hookdue")},
                         dict.fromkeys(("msg", "rcpt", "due", "dest", "body", "hook", "hookdue"), 0))
        bodies = [path for path in pathlib.Path(self.suite.folder / "state/queue/bodies").rglob("*") if path.is_file()]
        self.assertEqual(bodies, [])
        halves = sum(name in ("all", "master", "delivery/local") for _, _, name in self.kills)
        self.assertLessEqual(len(self.inbox.staged()), halves)

    def check_history(self, arrivals):
        retired = self.suite.qmctl("retired", "list")
        self.assertEqual({row["success"] for row in retired}, {True})
        self.assertEqual(collections.Counter(row["subject"] for row in retired), collections.Counter(list(arrivals)))

    def check_webhooks(self):
        told = {request.json()["Subject"] for request in self.hooks.requests}
        missing = [token for token, way in self.acknowledged.items() if way == "http" and token not in told]
        self.assertEqual(missing, [])


if __name__ == "__main__":
    case.main()
