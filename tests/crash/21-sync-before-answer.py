"""Every 250, every 200 and every exit 0 comes after the syncs that make its message durable, as the kernel saw them: of one
message at a time, and of several that come at once and share syncs. QM_LONG=1 sends more."""

import concurrent.futures
import re
import time

from harness import api, case, client, disklog, smtpsink, suite

TURNS, SENDERS = (40, 8) if case.LONG else (5, 6)
TOKEN = re.compile(rb"sync-[a-z]+-\d\d-\d\d")
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

    # ---- ways in: each returns what the answer says of this message alone, or None where nobody tells

    def by_smtp(self, token, size=10):
        with client.connect(self.us.v4, 25) as smtp:
            smtp.mail("b@example.net")
            smtp.rcpt("ann@us.test")
            code, text = smtp.data(client.message("ann@us.test", token, size=size))
            self.assertRegex(text, rb"^2\.0\.0 queued as \w+$")
            return b"%d %s" % (code, text)

    def by_smtp_large(self, token):
        return self.by_smtp(token, 200_000)

    def by_http(self, token, size=10):
        answer = api.Api(self.us.v4, 80, "app@us.test", "secret").call(
            "Send", {"To": [{"Address": "b@example.net"}], "Subject": token, "Text": "0123456789\n" * (size // 10)})
        self.assertEqual(answer.status, 200)
        return answer.json["MessageID"].encode()

    def by_http_large(self, token):
        return self.by_http(token, 200_000)

    def by_sendmail(self, token):
        self.us.run([self.suite.program.with_name("sendmail"), "-C", self.suite.config_path, "-i", "-f", "app@us.test",
                     "b@example.net"], input=f"Subject: {token}\n\nx\n")

    def send(self, sender, turn):
        """One message by each way; returns rows of (token, words, began, ended)."""
        rows = []
        for name, way in (("smtp", self.by_smtp), ("smtplarge", self.by_smtp_large), ("http", self.by_http),
                          ("httplarge", self.by_http_large), ("sendmail", self.by_sendmail)):
            token, began = f"sync-{name}-{sender:02}-{turn:02}", time.time()
            words = way(token)
            rows.append((token, words, began, time.time()))
        return rows

    # ---- what the kernel saw

    def first_writes(self, events):
        """token -> the first write of octets that it is in."""
        found = {}
        for event in events:
            if event.kind == "write":
                for token in TOKEN.findall(event.octets):
                    found.setdefault(token.decode(), event)
        return found

    def durable_at(self, events, holds):
        """When all that holds the message was on stable storage: its pages or file, and then the page that leads to them.
        holds: the first write of it."""
        sync = next(event for event in events if event.kind == "sync" and event.path == holds.path and event.began >= holds.at)
        if holds.path.startswith("bodies/"):
            sync = next(event for event in events if event.kind == "sync" and event.began >= sync.at
                        and event.path == holds.path.rpartition("/")[0])
            sync = next(event for event in events if event.kind == "sync" and event.path == "store/data.mdb"
                        and event.began >= sync.at)
        meta = next(event for event in events if event.synced and event.began >= sync.at)
        return meta.at

    def said_at(self, events, row):
        """When the first answer began that tells of this message; where nobody told it apart from others, the first that
        says the like while it was the only one."""
        _, words, began, ended = row
        return next(event.began for event in events if event.kind == "said" and began <= event.began <= ended
                    and event.data.startswith((b"250 2.0.0 ", b"HTTP/1.1 200 ")) and (words or b"queued as ") in event.data)

    def record(self, send):
        """Rows of what send() sent, and all events."""
        recorder = disklog.Recorder(self.us.work, self.suite.folder / "state/queue", self.pids("qmgr"),
                                    also=self.pids("smtpd") + self.pids("webapi"))
        rows = send()
        recorder.stop()
        return rows, recorder.events()

    def check(self, rows, events, alone):
        writes = self.first_writes(events)
        shared = {}
        for row in rows:
            token, words, _, ended = row
            durable = self.durable_at(events, writes[token])
            shared[durable] = shared.get(durable, 0) + 1
            self.assertLess(durable, ended, token)
            if words or alone:
                self.assertLess(durable, self.said_at(events, row), token)
        print(f"{len(rows)} messages, {sum(event.kind == 'sync' or event.synced for event in events)} syncs; "
              f"{max(shared.values())} messages shared one", flush=True)
        return max(shared.values())

    def test_an_answer_follows_the_sync_that_covers_it(self):
        rows, events = self.record(lambda: [row for turn in range(TURNS) for row in self.send(0, turn)])
        self.check(rows, events, alone=True)

    def test_answers_to_several_at_once_follow_the_sync_that_they_share(self):
        def send():
            with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
                turns = [(sender, turn) for turn in range(1 + TURNS // 4) for sender in range(SENDERS)]
                return [row for rows in pool.map(self.send, *zip(*turns)) for row in rows]
        self.assertGreater(self.check(*self.record(send), alone=False), 1)


if __name__ == "__main__":
    case.main()
