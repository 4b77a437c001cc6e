"""Webhooks by themselves: how fast they are written, how fast one process calls them, what a million that wait costs."""

import json
import pathlib
import re
import subprocess
import time

from harness import api, sandbox, suite, wait

CONFIG = """
hostname us.test
listen public { address %(us)s  http 80  webapi yes }
domain us.test { }
%(accounts)s
webhooks { allow-private yes }
queue { keep-retired-webhooks 0 }
"""
CALLED, ACCOUNTS, PENDING = 20000, 20, 1_000_000
PASSWORD = "long enough to be remembered"


def list_rows(told):
    """The rows of bench-list's table."""
    return [line.split("|") for line in told.splitlines()[2:]]


class Hooks:
    """A suite of its own, with an endpoint on another host."""

    def __init__(self, lan):
        self.us, self.app = lan.host("hooks-us", disk=True), lan.host("hooks-app")
        self.url = f"http://{self.app.v4}:8080/"
        accounts = "\n".join(f'account h{n} {{ address h{n}@us.test  webhook outgoing {{ url "{self.url}h{n}" }} }}'
                             for n in range(ACCOUNTS))
        self.suite = suite.Suite(CONFIG % {"us": self.us.v4, "accounts": accounts}, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"h0": PASSWORD}))
        self.suite.start()
        self.suite.stop()  # its queue is there now
        self.queue = self.suite.folder / "state/queue"

    def fill(self, webhooks, accounts, seconds):
        """Webhooks a second, each with its event, on stable storage."""
        done = self.us.run([sandbox.bin_dir() / "bench-fill-hooks", self.queue, webhooks, accounts, self.url, seconds], timeout=1200)
        return float(done.stdout)

    def called(self, accounts):
        """Written a second, and called a second by one process, of so many accounts with a URL each."""
        written = self.fill(CALLED, accounts, 0)
        sink = self.app.start([sandbox.bin_dir() / "bench-hook-sink", self.app.v4, 8080, CALLED], "hook-sink", stdin=subprocess.PIPE)
        log = self.app.work / "hook-sink.log"
        wait.until(lambda: "ready" in log.read_text(), 10, "the endpoint")
        self.suite.start()
        sink.wait(300)
        told = json.loads(log.read_text().splitlines()[-1])
        log.unlink()
        wait.until(lambda: self.suite.qmctl("status")["queue"].get("hooks", 0) == 0, 30, "no webhook to be left")
        self.suite.stop()
        return written, told["calls"] / told["seconds"]

    def resident(self):
        """MiB of qmgr and of hooks, without the store's pages."""
        found = {}
        for pid, line in self.suite.processes().items():
            name = re.search(r"--name=(qmgr|hooks)\b", line)
            if name:
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
                found[name[1]] = int(re.search(r"^RssAnon:\s+(\d+)", status, re.M)[1]) / 1024
        return found

    def pending(self):
        """The same before and after a million wait for their time, and while ten thousand of them are due and fail."""
        self.suite.start()
        before = self.resident()
        self.suite.stop()
        self.fill(PENDING, ACCOUNTS, 3600)
        self.fill(10000, ACCOUNTS, 0)
        self.suite.start()
        wait.until(lambda: len(self.suite.qmctl("hook", "list", "--attempts", "1", "--limit", "500")) >= 200, 60, "calls that fail")
        after = self.resident()
        self.suite.kill()
        return {name: (before[name], after[name]) for name in before}

    def pages(self):
        """Milliseconds: the slowest list's first page of 100 webhooks, median and most; and those of 100 events over HTTP,
        at many places. To be called when a million wait."""
        self.suite.start()
        told = self.us.run([sandbox.bin_dir() / "bench-list", self.suite.folder / "run/admin.sock", "hooks"], timeout=300).stdout
        rows = list_rows(told)
        app = api.Api(self.us.v4, 80, "h0@us.test", PASSWORD)
        with self.app.inside():
            last = app.get("/webapi/v0/events?limit=1").json["Next"]
            took = []
            for n in range(200):
                began = time.monotonic()
                page = app.get(f"/webapi/v0/events?limit=100&after={last + n * 4000}").json
                took.append((time.monotonic() - began) * 1000)
                assert len(page["Events"]) == 100, page
        self.suite.kill()
        return max(float(row[2]) for row in rows), max(float(row[6]) for row in rows), took
