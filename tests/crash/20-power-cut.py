"""The power goes while mail comes in and goes out: what was acknowledged is in the store that the disk then holds.

strace records what qmgr writes and syncs. At many points of that record the store is put together as a disk could have it
that keeps what was synced, and of the rest what it pleases. QM_SEED=n chooses the same points again; QM_LONG=1 takes more.
"""

import hashlib
import os
import pathlib
import random
import re
import shutil
import subprocess
import threading
import time

from harness import api, case, client, disklog, sandbox, smtpsink, suite, wait

SEED = int(os.environ.get("QM_SEED", time.time_ns() % 1_000_000))
CUTS, SECONDS = (1000, 30) if case.LONG else (200, 3)
CONFIG = """
hostname mx.us.test
listen public { address 192.0.2.1  smtp 25  http 80  webapi yes }
domain us.test { }
account ann { address ann@us.test }
account app { address app@us.test }
transport sink { smtp { host 192.0.2.2  tls none } }
route { transport sink }
queue { large-body 64K  first-retry 1s  attempts 100  delay-notice-attempt 0 }
"""
TOKEN = re.compile(rb"(?mi)^Subject: (cut-\S+)\r?$")
LEFT_OVER = re.compile(r"^bodies/\S+: no message names it$")  # what a start sweeps away
DIGEST = re.compile(rb"\r\n\r\n([0-9a-f]{64})\r\n(.*)", re.DOTALL)


def text(random_, size):
    """A body that shows whether all of it is there: the digest of the rest stands in its first line."""
    rest = "".join(f"{random_.getrandbits(240):060x}\r\n" for _ in range(size // 62))
    return f"{hashlib.sha256(rest.encode()).hexdigest()}\r\n{rest}"


def is_whole(octets):
    found = DIGEST.search(octets)
    return bool(found) and hashlib.sha256(found[2]).hexdigest().encode() == found[1]


class PowerCut(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1, disk=True)
        self.sink = smtpsink.SmtpSink(self.lan.host("sink", 2), 25)
        self.addCleanup(self.sink.close)
        self.suite = suite.Suite(CONFIG, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"app": "secret"}))
        self.stopping = threading.Event()
        self.acknowledged = {}  # token -> time.time() when the client knew
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())

    def qmgr(self):
        return next(pid for pid, line in self.suite.processes().items() if "--name=qmgr" in line)

    # ---- the load

    def smtp_sender(self, number):
        random_, turn = random.Random(f"{SEED} {number}"), 0
        with client.connect(self.us.v4, 25, timeout=60) as smtp:
            while not self.stopping.is_set():
                turn += 1
                token = f"cut-smtp-{number}-{turn}"
                body = text(random_, random_.choice([100] * 6 + [4000, 12000, 60000, 100_000]))
                smtp.sendmail("b@example.net", ["ann@us.test"],
                              f"From: b@example.net\r\nTo: ann@us.test\r\nSubject: {token}\r\n\r\n{body}")
                self.acknowledged[token] = time.time()

    def http_sender(self, number):
        random_, turn = random.Random(f"{SEED} {number}"), 0
        web = api.Api(self.us.v4, 80, "app@us.test", "secret", timeout=60)
        while not self.stopping.is_set():
            turn += 1
            token = f"cut-http-{number}-{turn}"
            body = text(random_, 3000).replace("\r\n", "\n")
            answer = web.call("Send", {"To": [{"Address": "b@example.net"}], "Subject": token, "Text": body})
            self.assertEqual(answer.status, 200)
            self.acknowledged[token] = time.time()

    def load(self):
        senders = [self.smtp_sender] * 3 + [self.http_sender]
        threads = [threading.Thread(target=what, args=(number,)) for number, what in enumerate(senders)]
        for thread in threads:
            thread.start()
        time.sleep(SECONDS)  # this is the load itself, not a wait for anything
        self.stopping.set()
        for thread in threads:
            thread.join(60)

    # ---- what is left

    def check(self, folder, at):
        """Acknowledged by then, and neither in the queue nor in the history of what was delivered: the tokens."""
        out = folder.with_name("out")
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        done = subprocess.run([sandbox.build_dir() / "tests/store-check", folder, out], capture_output=True, text=True,
                              errors="replace")
        self.assertIn("problems=", done.stdout, done.stderr)
        wrong = [line for line in done.stdout.partition("problems=")[0].splitlines() if not LEFT_OVER.search(line)]
        self.assertEqual(wrong, [])
        kept = set(re.findall(r"(?m)^retired (.*)$", done.stdout))
        for path in out.iterdir():
            octets = path.read_bytes()
            self.assertTrue(TOKEN.search(octets), octets[:300])
            self.assertTrue(b"http" in TOKEN.search(octets)[1] or is_whole(octets), octets[:300])
            kept.add(TOKEN.search(octets)[1].decode())
        return [token for token, when in self.acknowledged.items()
                if when <= at and token not in kept]

    def test_what_was_acknowledged_survives_a_power_cut(self):
        print(f"seed {SEED}", flush=True)
        recorder = disklog.Recorder(self.us.work, self.qmgr(), self.suite.folder / "state/queue")
        self.load()
        recorder.stop()
        wait.until(lambda: self.suite.qmctl("status")["queue"]["messages"] == 0, 120, "an empty queue")
        events, random_ = recorder.events(), random.Random(SEED)
        disk, folder = disklog.Disk(recorder.before, events), pathlib.Path("/run/cut/store")
        folder.parent.mkdir()
        choices, lost, covered = {}, {}, 0
        for n in sorted(random_.sample(range(1, len(events)), min(CUTS, len(events) - 1))):
            shutil.rmtree(folder, ignore_errors=True)
            choice = disk.cut(n, random_, folder)
            choices[choice] = choices.get(choice, 0) + 1
            at = events[n - 1].at
            covered += sum(when <= at for when in self.acknowledged.values())
            if missing := self.check(folder, at):
                lost[n] = missing
        syncs = sum(event.kind == "sync" or event.synced for event in events)
        print(f"{len(self.acknowledged)} acknowledged; {len(events)} writes and syncs, {syncs} of them syncs; cut at "
              f"{sum(choices.values())} points, unsynced writes kept: {choices}", flush=True)
        self.assertEqual(lost, {})
        self.assertGreater(covered, 1000)
        self.assertGreater(sum(event.path.startswith("bodies/") for event in events), 10)


if __name__ == "__main__":
    case.main()
