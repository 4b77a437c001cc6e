"""Each kind of write and sync of the store, or of a mailbox, fails once, or until it is mended: nothing acknowledged is lost,
service resumes.

strace puts the errors in place of the calls. Mail comes in by SMTP and HTTP. QM_LONG=1 lets many more calls fail.
"""

import contextlib
import itertools
import re
import signal
import smtplib
import subprocess

from harness import api, case, client, disklog, mailbox, sandbox, smtpsink, suite, wait

ERRORS = ("ENOSPC", "EIO", "EROFS")
# All that qmgr does to its files once it has started, but for write, which is that of pipes and memory files too: see
# unit.qmgr.body. fallocate has a test of its own, since it needs a store that grows.
CALLS = ("pwrite64", "writev", "lseek", "fdatasync", "fsync", "openat", "unlinkat")
# Of a delivery into a mailbox; write as above: see unit.delivery.maildir.
MAILBOX_CALLS = ("openat", "fsync", "renameat")
TURNS = range(1, 26 if case.LONG else 3)
CONFIG = """
hostname mx.us.test
seccomp off     # a call that strace takes out of a process's hands has a number that the filter would kill it for
listen public { address 192.0.2.1  smtp 25  http 80  webapi yes }
domain us.test { }
account ann { address ann@us.test  mailbox no }
account app { address app@us.test }
account bob { address bob@us.test }
transport sink { smtp { host 192.0.2.2  tls none } }
route { transport sink }
queue { large-body %s  first-retry 1s  attempts 100  delay-notice-attempt 0 }
"""
TOKEN = re.compile(rb"(?mi)^Subject: (error-\S+)\r?$")


class DiskErrors(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1, disk=True)
        self.sink = smtpsink.SmtpSink(self.lan.host("sink", 2), 25)
        self.addCleanup(self.sink.close)
        self.acknowledged, self.refused, self.numbers = [], [], itertools.count(1)

    def start(self, large_body):
        self.suite = suite.Suite(CONFIG % large_body, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"app": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())

    def process(self, name):
        return wait.until(lambda: next((pid for pid, line in self.suite.processes().items() if f"--name={name}" in line), None),
                          20, name)

    def send(self, size=10):
        """Whether a message was taken; a refusal is for the time being."""
        token = f"error-{next(self.numbers)}"
        try:
            with client.connect(self.us.v4, 25) as smtp:
                smtp.sendmail("b@example.net", ["ann@us.test"], client.message("ann@us.test", token, size=size))
        except smtplib.SMTPResponseException as refused:
            self.assertIn(refused.smtp_code, (421, 451, 452), f"{token}: {refused}")
            self.refused.append(token)
            return False
        except smtplib.SMTPRecipientsRefused as refused:
            self.assertEqual({code for code, _ in refused.recipients.values()} - {450, 451, 452}, set(), token)
            self.refused.append(token)
            return False
        self.acknowledged.append(token)
        return True

    def send_http(self, size=10):
        """Likewise; a refusal is the server's fault."""
        token = f"error-{next(self.numbers)}"
        answer = api.Api(self.us.v4, 80, "app@us.test", "secret").call(
            "Send", {"To": [{"Address": "b@example.net"}], "Subject": token, "Text": "0123456789\n" * (1 + size // 11)})
        (self.acknowledged if answer.status == 200 else self.refused).append(token)
        if answer.status != 200:
            self.assertEqual((answer.status, answer.json["Code"]), (400, "server"), token)

    def failing(self, call, error, when, name="qmgr"):
        """strace that lets the calls fail, on every thread of the process with this name."""
        log = self.us.work / "inject.log"
        while True:
            pid = self.process(name)
            process = subprocess.Popen(
                ["strace", "-f", "-o", str(log), "-e", f"trace={call}", "-e", "signal=none",
                 "-e", f"inject={call}:error={error}:when={when}", "-p", str(pid)], stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)
            try:
                wait.until(lambda: disklog.is_traced(pid), 20, "strace attached")
                return process, log
            except FileNotFoundError:  # it had just ended, for an error before this one
                process.wait(20)

    def spoil(self, call, error, when, sizes=(10, 100_000, 10)):
        """How many calls failed while messages of these sizes came."""
        process, log = self.failing(call, error, when)
        for size in sizes:
            self.send(size)
        self.send_http(sizes[-1])
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        return log.read_text(errors="replace").count("(INJECTED)")

    def taken_again(self, what):
        """qmgr may rest after deaths, the longer the more there were."""
        wait.until(lambda: self.send(100_000), 120, f"mail taken again after {what}")

    def is_empty(self):
        """Whether nothing waits any more; what does is tried at once."""
        self.suite.qmctl("queue", "kick", "--all", check=False)
        return self.suite.qmctl("status").get("queue", {"messages": 1})["messages"] == 0

    def check_end(self):
        """All that was acknowledged arrived, and the store is consistent."""
        wait.until(self.is_empty, 120, "an empty queue")

        def arrived():
            return {TOKEN.search(mail.data)[1].decode() for mail in self.sink.mails if mail.accepted}
        # The sink notes that it accepted one when it has said so, which may be after qmgr has heard it.
        with contextlib.suppress(TimeoutError):
            wait.until(lambda: arrived() >= set(self.acknowledged), 10, "the sink's notes")
        print(f"{len(self.acknowledged)} acknowledged, {len(self.refused)} refused, {len(arrived())} arrived", flush=True)
        self.assertEqual([token for token in self.acknowledged if token not in arrived()], [])
        self.suite.allow_error(r'p=qmgr |m="process ended" process=qmgr .* exit=74$')
        self.suite.stop()
        self.suite.start()  # which sweeps away what could not be removed
        self.suite.stop()
        done = subprocess.run([sandbox.build_dir() / "tests/store-check", self.suite.folder / "state/queue"], capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_errors_of_the_disk_lose_nothing(self):
        hits = {}
        self.start("64K")
        for error, call in itertools.product(ERRORS, CALLS):
            for when in [*TURNS, "1+"]:
                hits[call] = hits.get(call, 0) + self.spoil(call, error, when)
                self.taken_again(f"{error} of {call} {when}")
        print(f"calls that failed: {hits}", flush=True)
        self.assertGreater(min(hits[call] for call in CALLS if call != "lseek"), 0)
        self.check_end()

    def test_room_that_cannot_be_claimed_is_none(self):
        """The store grows, since nothing can be delivered; once its claim fails there is no room for more mail."""
        self.lan.hosts["sink"].unplug()
        self.start("1M")
        for error in ERRORS:
            refused = len(self.refused)
            self.assertGreater(self.spoil("fallocate", error, "1+", [600_000] * 8), 0)
            self.assertGreater(len(self.refused), refused, error)
            self.taken_again(f"{error} of fallocate")
        self.lan.hosts["sink"].plug()
        self.check_end()

    def test_a_mailbox_that_cannot_be_written_has_the_mail_later_and_once(self):
        self.start("64K")
        self.suite.allow_error("message cannot be delivered|mailbox cannot be opened")
        inbox = mailbox.Maildir(self.suite.folder / "state/mail/bob")
        tokens = []
        for error, call in [(None, None), *itertools.product(ERRORS, MAILBOX_CALLS)]:
            before = len(self.suite.find_log(m="deferred"))
            if call:
                process, log = self.failing(call, error, "1+", "delivery/local")
            tokens.append(f"box-{len(tokens)}")
            client.send(self.us.v4, 25, "b@example.net", ["bob@us.test"],
                        client.message("bob@us.test", tokens[-1], size=100_000))
            if call:
                self.suite.wait_log(m="deferred", count=before + 1)
                wait.until(lambda: inbox.staged() == [], what="an empty tmp")  # it may just be tried once more
                self.assertEqual(len(inbox.files()), len(tokens) - 1, f"{error} of {call}")
                process.send_signal(signal.SIGTERM)
                process.wait(20)
                self.assertIn("(INJECTED)", log.read_text(errors="replace"))
            wait.until(self.is_empty, 20, f"what {error} of {call} put off")
            self.assertEqual((len(inbox.files()), inbox.staged()), (len(tokens), []), f"{error} of {call}")
        self.assertEqual(sorted(mail["Subject"] for mail in inbox.messages()), sorted(tokens))
        bodies = {octets.partition(b"\n\n")[2].partition(b"\n")[2] for octets in inbox.raw()}  # its first line names the message
        self.assertEqual(len(bodies), 1)
        self.suite.stop()


if __name__ == "__main__":
    case.main()
