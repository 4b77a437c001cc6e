"""Long lists: the history of webhooks, a suppression list, a mailbox, of a million each."""

import os
import time

import hooks
from harness import api, sandbox, suite

CONFIG = """
hostname us.test
listen public { address %(us)s  http 80  webapi yes }
domain us.test { }
account h0 { address h0@us.test }
"""
ROWS, PLACES = 1_000_000, 200


class Lists:
    """A suite of its own, with an account that has all of them."""

    def __init__(self, lan):
        self.us, self.app = lan.host("lists-us", disk=True), lan.host("lists-app")
        self.suite = suite.Suite(CONFIG % {"us": self.us.v4}, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"h0": hooks.PASSWORD}))
        self.suite.start()
        self.client = api.Api(self.us.v4, 80, "h0@us.test", hooks.PASSWORD, timeout=120)
        self.suite.stop()  # its queue is there now
        self.us.run([sandbox.bin_dir() / "bench-fill-lists", self.suite.folder / "state/queue", ROWS, "h0"], timeout=1200)
        self.suite.start(timeout=120)

    def call(self, method, **request):
        answer = self.client.call(method, request)
        assert answer.status == 200, answer.text
        return answer.json

    def timed(self, method, **request):
        """The answer, and milliseconds."""
        began = time.monotonic()
        answer = self.call(method, **request)
        return answer, (time.monotonic() - began) * 1000

    def past_hooks(self):
        """Milliseconds: the slowest list's first page, median, and the longest page of all."""
        rows = hooks.list_rows(self.us.run([sandbox.bin_dir() / "bench-list", self.suite.folder / "run/admin.sock", "hooks-retired"],
                                           timeout=600).stdout)
        return max(float(row[2]) for row in rows), max(float(row[6]) for row in rows)

    def suppressions(self):
        """Milliseconds of pages of 100 at many places."""
        took = []
        with self.app.inside():
            for n in range(PLACES):
                page, ms = self.timed("SuppressionList", Limit=100, After=f"{(n << 64) // PLACES + 1:016x}")
                assert len(page["Suppressions"]) == 100, page
                took.append(ms)
        return took

    def mailbox(self):
        """Milliseconds of pages of 100 in a mailbox of so many files: the first one of a mailbox that is read for it; others, at
        many places, whose messages get their ids by it; the same when they have them, and the first one among these."""
        maildir = self.suite.folder / "state/mail/h0"
        self.make_files(maildir)
        with self.app.inside():
            _, first = self.timed("MessageList")
            return first, self.mailbox_pages(), [*self.mailbox_pages(), self.timed("MessageList")[1]]

    def mailbox_pages(self):
        took = []
        for n in range(PLACES):
            page, ms = self.timed("MessageList", After=name(n * ROWS // PLACES + 500))
            assert len(page["Messages"]) == 100, page
            took.append(ms)
        return took

    def make_files(self, maildir):
        """Empty ones, as delivery/local names them; as old as nobody's just now."""
        owner = os.stat(maildir.parent)
        for folder in (maildir, *(maildir / part for part in ("tmp", "new", "cur"))):
            folder.mkdir(mode=0o700)
            os.chown(folder, owner.st_uid, owner.st_gid)
        folder = os.open(maildir / "cur", os.O_RDONLY)
        for n in range(ROWS):
            os.close(os.open(name(n) + ":2,S", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=folder))
            os.chown(name(n) + ":2,S", owner.st_uid, owner.st_gid, dir_fd=folder)
        os.close(folder)
        time.sleep(0.2)

    def close(self):
        self.suite.forgive()
        self.suite.stop()


def name(n):
    return f"{1764280000 + n // 100}.M{n % 100:06d}P34Q1NGKD280000.us.test"
