"""Every 250, every 200 and every exit 0 comes after the syncs that make its message durable, as the kernel saw them."""

import time

from harness import api, case, client, disklog, smtpsink, suite

TURNS = 40 if case.LONG else 8
CONFIG = """
hostname mx.us.test
listen public { address 192.0.2.1  smtp 25  http 80  webapi yes }
domain us.test { }
account app { address app@us.test  *@us.test  mailbox no }
transport sink { smtp { host 192.0.2.2  tls none } }
route { transport sink }
queue { large-body 64K }
"""


class SyncBeforeAnswer(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1, disk=True)
        self.sink = smtpsink.SmtpSink(self.lan.host("sink", 2), 25)
        self.addCleanup(self.sink.close)
        self.suite = suite.Suite(CONFIG, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"app": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())

    def pids(self, word):
        return [pid for pid, line in self.suite.processes().items() if f"--name={word}" in line]

    # ---- ways in: each returns when the sender knew

    def by_smtp(self, token, size=10):
        if not hasattr(self, "smtp"):
            self.smtp = client.connect(self.us.v4, 25)
        self.smtp.sendmail("b@example.net", ["ann@us.test"], client.message("ann@us.test", token, size=size))
        return time.time()

    def by_smtp_large(self, token):
        return self.by_smtp(token, 200_000)

    def by_http(self, token):
        answer = api.Api(self.us.v4, 80, "app@us.test", "secret").call(
            "Send", {"To": [{"Address": "b@example.net"}], "Subject": token, "Text": "x"})
        self.assertEqual(answer.status, 200)
        return time.time()

    def by_sendmail(self, token):
        self.us.run([self.suite.program.with_name("sendmail"), "-C", self.suite.config_path, "-i", "-f", "app@us.test",
                     "b@example.net"], input=f"Subject: {token}\n\nx\n")
        return time.time()

    # ---- what the kernel saw

    def durable_at(self, events, token):
        """When all that holds the message was on stable storage: its pages or file, and then the page that leads to them."""
        holds = next(event for event in events if event.kind == "write" and token.encode() in event.data)
        sync = next(event for event in events if event.kind == "sync" and event.path == holds.path and event.began >= holds.at)
        if holds.path.startswith("bodies/"):
            sync = next(event for event in events if event.kind == "sync" and event.began >= sync.at
                        and event.path == holds.path.rpartition("/")[0])
            sync = next(event for event in events if event.kind == "sync" and event.path == "store/data.mdb"
                        and event.began >= sync.at)
        meta = next(event for event in events if event.synced and event.began >= sync.at)
        return meta.at

    def test_an_answer_follows_the_sync_that_covers_it(self):
        recorder = disklog.Recorder(self.us.work, self.suite.folder / "state/queue", self.pids("qmgr"),
                                    also=self.pids("smtpd") + self.pids("webapi"))
        ways = {"smtp": (self.by_smtp, b"250 2.0.0"), "large": (self.by_smtp_large, b"250 2.0.0"),
                "http": (self.by_http, b"HTTP/1.1 200"), "sendmail": (self.by_sendmail, b"250 2.0.0")}
        known = {}
        for turn in range(TURNS):
            for name, (send, _) in ways.items():
                token = f"sync-{name}-{turn}"
                began = time.time()
                known[token] = name, began, send(token)
        recorder.stop()
        events = recorder.events()
        for token, (name, began, ended) in known.items():
            durable = self.durable_at(events, token)
            self.assertLess(durable, ended, token)
            said = [event.began for event in events
                    if event.kind == "said" and began <= event.began <= ended and ways[name][1] in event.data]
            self.assertTrue(said, f"{token}: nobody said {ways[name][1]}")
            self.assertLess(durable, max(said), token)
        print(f"{len(known)} messages, {sum(event.kind == 'sync' or event.synced for event in events)} syncs", flush=True)


if __name__ == "__main__":
    case.main()
