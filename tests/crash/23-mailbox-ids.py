"""Killed between a message's rename into its mailbox and the row that knows of it: none is left without an id."""

import email
import os
import random
import re
import shutil
import signal
import threading
import time

from harness import api, case, client, mailbox, suite, wait

SEED = int(os.environ.get("QM_SEED", time.time_ns() % 1_000_000))
SECONDS = 60 if case.LONG else 8
CONFIG = """
hostname mx.us.test
listen public { address 192.0.2.1  smtp 25  http 80  webapi yes }
domain us.test { }
account ann { address ann@us.test }
queue { first-retry 1s  attempts 100 }
"""


class MailboxIds(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1, disk=True)
        self.suite = suite.Suite(CONFIG, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        self.maildir = mailbox.Maildir(self.suite.folder / "state/mail/ann")
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        self.api = api.Api(self.us.v4, 80, "ann@us.test", "secret")

    def pid(self, name):
        return next((pid for pid, line in self.suite.processes().items() if re.search(rf"--name={name}\b", line)), None)

    def signal(self, name, number):
        os.kill(self.pid(name), number)

    def send(self, token):
        with client.connect(self.us.v4, 25) as smtp:
            smtp.sendmail("b@example.net", ["ann@us.test"], client.message("ann@us.test", token))

    def page(self, after=""):
        return self.api.call("MessageList", {"After": after, "Limit": 1000})

    def listed(self):
        """MsgID -> message of everything that is listed, once qmgr and delivery/local are there again."""
        wait.until(lambda: self.page().status == 200, 20, "an answer to MessageList")
        found, after, first = {}, "", True
        while first or after:
            answer, first = self.page(after).json, False
            for row in answer["Messages"]:
                self.assertNotIn(row["MsgID"], found)
                raw = self.api.call("MessageRawGet", {"MsgID": row["MsgID"]})
                self.assertEqual(raw.status, 200, raw.body)
                found[row["MsgID"]] = email.message_from_bytes(raw.body)
            after = answer["Next"]
        return found

    def until_empty(self):
        wait.until(lambda: self.suite.qmctl("queue", "list", check=False).stdout.strip() == "[]", 60,
                   "an empty queue")

    def deliver_without_telling(self, token):
        """The message is in its mailbox, and delivery/local has told a qmgr that does not hear it."""
        before = len(self.maildir.files())
        self.signal("delivery/local", signal.SIGSTOP)
        self.send(token)
        time.sleep(0.5)  # the job is on its way to a process that does not read: nothing shows when it is there
        self.signal("qmgr", signal.SIGSTOP)
        self.signal("delivery/local", signal.SIGCONT)
        self.maildir.wait(before + 1)
        self.assertEqual(self.suite.find_log(m="delivered"), [])

    def test_the_queue_ends_before_it_hears_of_a_delivery(self):
        self.suite.allow_error("process ended")
        self.deliver_without_telling("one")
        self.signal("qmgr", signal.SIGKILL)
        self.suite.wait_log(m="told again what was done before", timeout=30)
        self.suite.wait_log(m="delivered")
        (msg_id, message), = self.listed().items()
        path, = self.maildir.files()
        self.assertIn(f"Q{message['X-Quartermaster-ID']}.", path.name)
        qid = self.suite.find_log(m="delivered")[-1]["qid"]
        self.assertEqual((message["X-Quartermaster-ID"], message["Subject"]), (qid, "one"))

    def test_both_end_and_the_message_is_there_twice(self):
        self.suite.allow_error("process ended")
        self.deliver_without_telling("one")
        self.signal("delivery/local", signal.SIGKILL)
        self.signal("qmgr", signal.SIGKILL)
        self.suite.wait_log(m="delivered", timeout=30)
        found = self.listed()
        self.assertEqual(len(found), 2)
        self.assertEqual({message["Subject"] for message in found.values()}, {"one"})
        self.assertEqual(len({message["X-Quartermaster-ID"] for message in found.values()}), 1)
        self.assertEqual(self.listed().keys(), found.keys())

    def test_a_store_made_anew_finds_the_ids_in_the_files(self):
        for token in ("one", "two"):
            self.send(token)
        self.suite.wait_log(m="delivered", count=2)
        before = {msg_id: message["Subject"] for msg_id, message in self.listed().items()}
        self.suite.stop()
        shutil.rmtree(self.suite.folder / "state/queue/store")
        self.suite.start()
        self.assertEqual({msg_id: message["Subject"] for msg_id, message in self.listed().items()}, before)

    def test_killed_at_random(self):
        print(f"seed {SEED}", flush=True)
        self.suite.allow_error("process ended|not there|went away|cannot be|queue")
        stopping, acknowledged = threading.Event(), []

        def load():
            turn = 0
            while not stopping.is_set():
                turn += 1
                try:
                    self.send(f"storm-{turn}")
                    acknowledged.append(f"storm-{turn}")
                except OSError:
                    stopping.wait(0.05)

        def look():
            while not stopping.is_set():
                try:
                    self.page()
                except OSError:
                    pass
                stopping.wait(0.05)

        threads = [threading.Thread(target=what) for what in (load, look)]
        for thread in threads:
            thread.start()
        random_, end = random.Random(SEED), time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(random_.uniform(0.05, 0.6))  # the storm itself
            pid = self.pid(random_.choice(["qmgr", "delivery/local"]))
            if pid:
                os.kill(pid, signal.SIGKILL)
        stopping.set()
        for thread in threads:
            thread.join(30)
        self.until_empty()
        found = self.listed()
        self.assertEqual(len(found), len(self.maildir.files()))
        self.assertLessEqual(set(acknowledged), {message["Subject"] for message in found.values()})
        self.assertEqual(self.listed().keys(), found.keys())
        print(f"{len(acknowledged)} messages acknowledged, {len(found)} files, all with an id", flush=True)


if __name__ == "__main__":
    case.main()
