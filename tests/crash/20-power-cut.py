"""The power goes while mail comes in and goes out: what was acknowledged is on the disk that is left.

strace records what qmgr and the local delivery write and sync, and in a first start what everyone does. At many points
of that record queue and mailboxes are put together as a disk could have them that keeps what was synced, and of the rest
what it pleases. The suite starts on some of these. QM_SEED=n chooses the same points again; QM_LONG=1 takes more.
"""

import collections
import concurrent.futures
import os
import pathlib
import random
import re
import shutil
import subprocess
import threading
import time

from harness import api, case, client, disklog, sandbox, smtpsink, suite, wait, wholetext

SEED = int(os.environ.get("QM_SEED", time.time_ns() % 1_000_000))
CUTS, SECONDS = (1000, 30) if case.LONG else (200, 3)
STARTS = 5  # of the cuts are started on
CONFIG = """
hostname mx.us.test
listen public { address 192.0.2.1  smtp 25  http 80  webapi yes }
domain us.test { }
account ann { address ann@us.test }
account app { address app@us.test }
transport sink { smtp { host 192.0.2.2  tls none  connect-timeout 1s } }
route { transport sink }
queue { large-body 64K  first-retry 1s  attempts 100  delay-notice-attempt 0 }
smtp { transactions 1000000 }
"""
TOKEN = re.compile(rb"(?mi)^Subject: (cut-\S+)\r?$")
LEFT_OVER = re.compile(r"^bodies/\S+: no message names it$")  # what a start sweeps away
NOT_BEGUN = re.compile(r"^sys: .* is missing$")  # what the very first start puts there


class RecordedSuite(suite.Suite):
    """One that is started behind these words."""

    words = ()

    def command(self):
        return [*self.words, *super().command()]


class PowerCut(case.LanCase):
    def setUp(self):
        super().setUp()
        print(f"seed {SEED}", flush=True)
        self.us = self.lan.host("us", 1, disk=True)
        self.sink = smtpsink.SmtpSink(self.lan.host("sink", 2), 25)
        self.addCleanup(self.sink.close)
        self.suite = RecordedSuite(CONFIG, host=self.us)
        self.state = self.suite.folder / "state"
        self.suite.add_file("state/credentials", api.credentials({"app": "secret"}))
        self.stopping = threading.Event()
        self.acknowledged = {}  # token -> time.time() when the client knew
        self.mail_seen = {}  # path -> (disklog.File, token), of a file that was found whole
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        pathlib.Path("/run/cut").mkdir(exist_ok=True)

    def pid(self, name):
        return next(pid for pid, line in self.suite.processes().items() if f"--name={name}" in line)

    # ---- the load

    def smtp_sender(self, number, turns):
        random_ = random.Random(f"{SEED} {number}")
        with client.connect(self.us.v4, 25, timeout=60) as smtp:
            for turn in turns:
                token = f"cut-smtp-{number}-{turn}"
                body = wholetext.text(random_, random_.choice([100] * 6 + [4000, 12000, 60000, 100_000]))
                smtp.sendmail("b@example.net", ["ann@us.test"],
                              f"From: b@example.net\r\nTo: ann@us.test\r\nSubject: {token}\r\n\r\n{body}")
                self.acknowledged[token] = time.time()

    def http_sender(self, number, turns):
        random_ = random.Random(f"{SEED} {number}")
        web = api.Api(self.us.v4, 80, "app@us.test", "secret", timeout=60)
        for turn in turns:
            token = f"cut-http-{number}-{turn}"
            body = wholetext.text(random_, random_.choice([3000] * 3 + [50_000])).replace("\r\n", "\n")
            answer = web.call("Send", {"To": [{"Address": "b@example.net"}], "Subject": token, "Text": body})
            self.assertEqual(answer.status, 200)
            self.acknowledged[token] = time.time()

    def turns(self):
        while not self.stopping.is_set():
            yield time.monotonic_ns()

    def load(self):
        """In the first half of the time the remote server is not there, and the store grows."""
        self.lan.hosts["sink"].unplug()
        senders = [self.smtp_sender] * 3 + [self.http_sender]
        with concurrent.futures.ThreadPoolExecutor(len(senders)) as pool:
            running = [pool.submit(what, number, self.turns()) for number, what in enumerate(senders)]
            time.sleep(SECONDS / 2)  # this is the load itself, not a wait for anything
            self.lan.hosts["sink"].plug()
            time.sleep(SECONDS / 2)
            self.stopping.set()
        for one in running:
            one.result()
        self.assertTrue(self.acknowledged)

    def wait_empty(self):
        def is_empty():
            self.suite.qmctl("queue", "kick", "--all", check=False)
            return self.suite.qmctl("status").get("queue", {"messages": 1})["messages"] == 0
        wait.until(is_empty, 120, "an empty queue")

    # ---- what is left

    def token(self, octets, where):
        """Whose message this is; all of it is there."""
        found = TOKEN.search(octets)
        self.assertTrue(found and wholetext.is_whole(octets), f"{where}: {bytes(octets[:300])!r}")
        return found[1].decode()

    def queued(self, folder, used=True):
        """(tokens of what waits in the queue, tokens of what the history has). used: mail was acknowledged by then."""
        if not (folder / "queue/store/data.mdb").exists():
            return set(), set()
        out = folder.with_name("out")
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        done = subprocess.run([sandbox.build_dir() / "tests/store-check", folder / "queue", out], capture_output=True, text=True,
                              errors="replace")
        self.assertIn("problems=", done.stdout, done.stderr)
        wrong = [line for line in done.stdout.partition("problems=")[0].splitlines() if not LEFT_OVER.search(line)
                 and (used or not NOT_BEGUN.search(line))]
        self.assertEqual(wrong, [])
        return ({self.token(path.read_bytes(), f"queued as {path.name}") for path in out.iterdir()},
                set(re.findall(r"(?m)^retired (.*)$", done.stdout)))

    def delivered(self, left):
        """Tokens of what is in the mailbox."""
        found = set()
        for path, file in left.files.items():
            if not path.startswith("mail/ann/new/"):
                continue
            seen = self.mail_seen.get(path)
            if seen is None or seen[0] is not file:
                self.mail_seen[path] = seen = file, self.token(left.octets(path), path)
            found.add(seen[1])
        return found

    def sent(self, mails):
        """token -> when the remote server accepted it, at first."""
        found = {}
        for mail in mails:
            if mail.accepted:
                found.setdefault(self.token(mail.data, "sent"), mail.at)
        return found

    def sent_by(self, at):
        return {token for token, when in self.remote.items() if when <= at}

    def check(self, left, folder, at):
        """Returns the tokens of what the history has, and of those that were acknowledged by then and are lost: neither
        in the queue nor at their destination."""
        shutil.rmtree(folder, ignore_errors=True)
        left.write(folder, "queue")
        queued, retired = self.queued(folder, any(when <= at for when in self.acknowledged.values()))
        there = self.delivered(left) | self.sent_by(at)
        self.assertEqual(retired - there, set(), "in the history and at no destination")
        return retired, {token for token, when in self.acknowledged.items() if when <= at} - queued - retired

    def check_cuts(self, recorder, points):
        """Cuts at these points; at some of them, once all are checked, the suite is started."""
        events, random_, folder = self.events, random.Random(SEED), pathlib.Path("/run/cut/state")
        self.remote = self.sent(self.sink.mails)
        disk, started = disklog.Disk(recorder.before, events), random_.sample(range(len(points)), STARTS)
        choices, lost, kept, covered = collections.Counter(), {}, [], 0
        for number, n in enumerate(sorted(points)):
            left, at = disk.cut(n, random_), events[n - 1].at
            choices[left.choice] += 1
            retired, missing = self.check(left, folder, at)
            covered += sum(when <= at for when in self.acknowledged.values())
            if missing:
                lost[n] = missing
            if number in started:
                kept.append((self.us.work / f"cut-{number}", retired, at))
                left.write(kept[-1][0])
        syncs = sum(event.kind == "sync" or event.synced for event in events)
        print(f"{len(self.acknowledged)} acknowledged; {len(events)} changes and syncs, {syncs} of them syncs; cut at "
              f"{len(points)} points, unsynced changes kept: {dict(choices)}", flush=True)
        self.assertEqual(lost, {})
        return covered, [self.start_on(*one) for one in kept]

    # ---- a start on it

    def put_back(self, folder):
        for part in ("queue", "mail"):
            place = self.state / part
            owner = place.stat().st_uid
            shutil.rmtree(place)
            if (folder / part).exists():
                shutil.copytree(folder / part, place)
                subprocess.run(["chown", "-R", f"{owner}:{owner}", place], check=True)

    def start_on(self, folder, retired, at):
        """The suite drains what was left, and nothing that was acknowledged by then is missing. Returns how many messages
        it still had to deliver."""
        self.put_back(folder)
        before = len(self.sink.mails)
        self.suite.start()
        self.smtp_sender("again", [folder.name])
        self.wait_empty()
        self.suite.stop()
        waited = {row for row in self.queued(self.state)[1]} - retired
        mails = {self.token(path.read_bytes(), path) for path in (self.state / "mail/ann/new").iterdir()}
        there = mails | self.sent(self.sink.mails[before:]).keys() | (retired & self.sent_by(at))
        known = {token for token, when in self.acknowledged.items() if when <= at or token.endswith(folder.name)}
        self.assertEqual(known - there, set(), folder.name)
        return len(waited) - 1

    def test_what_was_acknowledged_survives_a_power_cut(self):
        self.suite.start()
        recorder = disklog.Recorder(self.us.work, self.state, [self.pid("qmgr"), self.pid("delivery/local")])
        self.load()
        self.wait_empty()
        recorder.stop()
        self.suite.stop()
        self.events = recorder.events()
        self.assertGreater(len(self.events), CUTS)
        covered, waited = self.check_cuts(recorder, random.Random(SEED).sample(range(1, len(self.events)), CUTS))
        print(f"messages that waited where the suite was started: {waited}; room claimed {recorder.claims} times", flush=True)
        self.assertGreater(covered, 1000)
        self.assertGreater(sum(waited), 0)
        for word, least in (("queue/bodies/", 10), ("mail/ann/", 100)):
            self.assertGreater(sum(event.path.startswith(word) for event in self.events), least)

    def test_a_power_cut_during_the_first_start_or_soon_after(self):
        recorder = disklog.Recorder(self.us.work, self.state)
        self.suite.words = recorder.words()
        self.suite.env["ASAN_OPTIONS"] = f"{os.environ.get('ASAN_OPTIONS', '')}:detect_leaks=0"  # it cannot, under strace
        self.suite.start(timeout=60)
        self.smtp_sender(1, range(10))
        self.http_sender(2, range(5))
        self.wait_empty()
        self.suite.stop()
        recorder.stop()
        self.suite.words, self.events = (), recorder.events()
        del self.suite.env["ASAN_OPTIONS"]
        self.assertGreater(recorder.claims, 0)  # when the store was opened
        first = min(self.acknowledged.values())
        early = [n for n in range(1, len(self.events)) if self.events[n - 1].at <= first]
        late = range(len(early) + 1, len(self.events))
        self.assertGreater(min(len(early), len(late)), 70)
        points = early * 3 + [*late]  # the disk chooses each time anew
        self.check_cuts(recorder, random.Random(SEED).sample(points, min(CUTS, len(points))))


if __name__ == "__main__":
    case.main()
