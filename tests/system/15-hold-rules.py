"""What an operator does to many at once: hold rules, times, transports, TLS; and what senders ask for: a later time."""

import datetime
import time

from harness import api, case, client, mailbox, smtpsink, suite, wait

CONFIG = """
hostname mx.us.test
listen public { address 192.0.2.1  smtp 25  submission 587  http 80  webapi yes  metrics yes  require-tls-for-auth no }
domain us.test { }
account ann { address ann@us.test }
account bob { address bob@us.test }
transport sink { smtp { host 192.0.2.2  tls none  idle-timeout 0 } }
transport other { smtp { host 192.0.2.3  tls none  idle-timeout 0 } }
route { transport sink }
smtp { strip-extra-headers yes }
"""
LATER = "451 4.2.2 mailbox is full"


class HoldRules(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1)
        self.sink = smtpsink.SmtpSink(self.lan.host("sink", 2), 25)
        self.other = smtpsink.SmtpSink(self.lan.host("other", 3), 25)
        self.addCleanup(self.sink.close)
        self.addCleanup(self.other.close)
        self.suite = suite.Suite(CONFIG, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret", "bob": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        self.inbox = mailbox.Maildir(self.suite.folder / "state/mail/ann")
        self.ann = api.Api(self.us.v4, 80, "ann@us.test", "secret")

    def submit(self, *recipients, sender="ann@us.test", options=(), extra=""):
        with client.connect(self.us.v4, 587) as smtp:
            client.plain(smtp, sender, "secret")
            octets = client.message(recipients[0], "hello", sender=sender, extra=extra)
            smtp.sendmail(sender, list(recipients), octets, mail_options=options)

    def qmctl(self, *words, **more):
        return self.suite.qmctl(*words, **more)

    def code(self, *words):
        return self.qmctl(*words, check=False).returncode

    def states(self):
        return {row["to"]: row["state"] for row in self.qmctl("queue", "list")}

    @staticmethod
    def taken(sink):
        return sorted(recipient for mail in sink.mails if mail.accepted for recipient in mail.recipients)

    def metric(self, name):
        text = api.Api(self.us.v4, 80).get("/metrics").text
        return [line.split()[-1] for line in text.splitlines() if line.startswith(name)]

    def history(self, recipient):
        return [self.qmctl("retired", "show", row["id"]) for row in self.qmctl("retired", "list") if row["to"] == recipient]

    # ---- hold rules

    def test_rules_hold_what_is_there_and_what_comes(self):
        self.sink.script("RCPT", LATER)
        self.submit("x@a.test", "y@b.test")
        self.suite.wait_log(m="deferred", count=2)
        self.assertEqual(self.qmctl("hold", "add", "-n", "--domain", "a.test"), {"recipients": 1, "dry_run": True})
        self.assertEqual(self.qmctl("hold", "list"), [])
        made = self.qmctl("hold", "add", "--domain", "A.test")
        self.assertEqual(made, {"rule": 1, "recipients": 1, "dry_run": False})
        both = self.qmctl("hold", "add", "--account", "bob", "--from-domain", "us.test", "--domain", "b.test")
        self.assertEqual((both["rule"], both["recipients"]), (2, 0))
        self.sink.script("RCPT", "250 ok")
        self.submit("z@a.test", "z@c.test")
        self.submit("w@b.test")
        self.submit("v@b.test", sender="bob@us.test")
        wait.until(lambda: self.taken(self.sink) == ["<w@b.test>", "<z@c.test>"], what="what no rule holds")
        left = {"x@a.test": "held", "y@b.test": "queued", "z@a.test": "held", "v@b.test": "held"}
        wait.until(lambda: self.states() == left, what=lambda: f"what stays: {self.states()}")
        wait.until(lambda: any(line == "3" for line in self.metric("quartermaster_qmgr_held_recipients")),
                   what="the gauge of what is held")
        rules = self.qmctl("hold", "list")
        for rule in rules:
            rule.pop("created")
        self.assertEqual(rules, [{"rule": 1, "account": "", "from_domain": "", "domain": "a.test"},
                                 {"rule": 2, "account": "bob", "from_domain": "us.test", "domain": "b.test"}])
        self.suite.kill()
        self.suite.start()
        self.qmctl("queue", "kick", "--all")
        wait.until(lambda: "<y@b.test>" in self.taken(self.sink), what="the one that waited")
        held = {name: "held" for name in ("x@a.test", "z@a.test", "v@b.test")}
        wait.until(lambda: self.states() == held, what=lambda: f"what is held: {self.states()}")
        self.qmctl("hold", "remove", "1")
        self.assertEqual(self.code("hold", "remove", "1"), 65)
        self.submit("later@a.test")
        wait.until(lambda: "<later@a.test>" in self.taken(self.sink), what="what comes after the rule")
        wait.until(lambda: self.states() == held, what=lambda: f"what is held: {self.states()}")
        self.assertEqual(self.qmctl("queue", "release", "--held", "--from-domain", "us.test")["recipients"], 3)
        self.qmctl("queue", "kick", "--to", "x@a")
        wait.until(lambda: self.states() == {}, what="what was held")
        events = [event["Event"] for event in self.ann.get("/webapi/v0/events?after=0").json["Events"]
                  if event["Recipient"] == "z@a.test"]
        self.assertEqual(events, ["accepted", "held", "released", "delivered"])
        self.suite.stop()

    def test_what_is_no_rule_is_told(self):
        for words in (("add",), ("add", "--domain", "a b"), ("add", "--all", "x"), ("remove",), ("remove", "x"), ()):
            self.assertEqual(self.code("hold", *words), 64, words)
        self.assertEqual(self.code("hold", "remove", "99"), 65)
        self.suite.stop()

    # ---- actions

    def test_times_transports_and_tls_of_many_at_once(self):
        self.sink.script("RCPT", LATER)
        self.submit("x@a.test", "y@a.test", "z@b.test")
        self.suite.wait_log(m="deferred", count=3)
        before = {row["to"]: row["next"] for row in self.qmctl("queue", "list")}
        self.assertEqual(self.qmctl("queue", "schedule", "-n", "+1h", "--domain", "a.test"), {"recipients": 2, "dry_run": True})
        self.assertEqual(self.qmctl("queue", "schedule", "+1h", "--domain", "a.test")["recipients"], 2)
        after = {row["to"]: row["next"] for row in self.qmctl("queue", "list")}
        self.assertEqual(seconds(after["x@a.test"]) - seconds(before["x@a.test"]), 3600)
        self.assertEqual(after["z@b.test"], before["z@b.test"])
        self.assertEqual(self.qmctl("queue", "schedule", "now+2h", "--domain", "b.test")["recipients"], 1)
        moved = {row["to"]: row["next"] for row in self.qmctl("queue", "list")}
        self.assertAlmostEqual(seconds(moved["z@b.test"]), time.time() + 7200, delta=30)
        self.assertEqual(self.code("queue", "transport", "nowhere", "--all"), 65)
        self.assertEqual(self.qmctl("queue", "transport", "-n", "other", "--all")["recipients"], 3)
        self.assertEqual(self.qmctl("queue", "transport", "other", "--to", "y@a")["recipients"], 1)
        self.assertEqual([row["to"] for row in self.qmctl("queue", "list", "--transport", "other")], ["y@a.test"])
        self.assertEqual(self.qmctl("queue", "requiretls", "yes", "--domain", "b.test")["recipients"], 1)
        z, = (row["id"] for row in self.qmctl("queue", "list", "--domain", "b.test"))
        self.assertEqual(self.qmctl("queue", "show", z)["requiretls"], "yes")
        self.sink.script("RCPT", "250 ok")
        self.assertEqual(self.qmctl("queue", "schedule", "now", "--all")["recipients"], 3)
        wait.until(lambda: self.states() == {}, what="all to be over")
        self.assertEqual((self.taken(self.sink), self.taken(self.other)), (["<x@a.test>"], ["<y@a.test>"]))
        failed, = self.history("z@b.test")
        self.assertFalse(failed["success"])
        self.assertEqual((failed["requiretls"], failed["history"][-1]["enhanced"]), ("yes", "5.7.30"))
        for words in (("schedule", "--all"), ("schedule", "soon", "--all"), ("requiretls", "perhaps", "--all"),
                      ("transport", "other")):
            self.assertEqual(self.code("queue", *words), 64, words)
        self.suite.stop()

    def test_a_transport_that_was_taken_away_puts_mail_off(self):
        self.sink.script("RCPT", LATER)
        self.submit("x@a.test")
        self.suite.wait_log(m="deferred")
        self.qmctl("queue", "transport", "other", "--all")
        self.suite.write_config("\n".join(line for line in CONFIG.splitlines() if not line.startswith("transport other")))
        self.qmctl("reload")
        self.qmctl("queue", "kick", "--all")
        self.suite.wait_log(m="deferred", count=2)
        row, = self.qmctl("queue", "list")
        self.assertEqual(row["last"], "the transport other, chosen for this message, is not in the configuration")
        self.sink.script("RCPT", "250 ok")
        self.qmctl("queue", "transport", "", "--all")
        self.qmctl("queue", "kick", "--all")
        wait.until(lambda: self.states() == {}, what="it goes as the routes say")
        self.suite.stop()

    # ---- what senders ask for

    def test_a_later_time_by_smtp_and_by_http(self):
        self.sink.script("RCPT", "550 5.1.1 no")
        begin = time.time()
        until = datetime.datetime.fromtimestamp(int(begin) + 4, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        far = datetime.datetime.fromtimestamp(int(begin) + 7200, datetime.timezone.utc).isoformat()
        self.submit("for@a.test", options=["HOLDFOR=3"])
        self.submit("until@a.test", options=[f"HOLDUNTIL={until}"])
        self.submit("hour@a.test", options=["HOLDFOR=3600"])
        answer = self.ann.call("Send", {"To": [{"Address": "http@a.test"}], "Subject": "s", "Text": "t",
                                        "FutureRelease": far})
        self.assertEqual(answer.status, 200, answer.text)
        rows = {row["to"]: row for row in self.qmctl("queue", "list")}
        self.assertAlmostEqual(seconds(rows["hour@a.test"]["next"]), begin + 3600, delta=20)
        self.assertEqual(seconds(rows["http@a.test"]["next"]), int(begin) + 7200)
        shown = self.qmctl("queue", "show", rows["http@a.test"]["id"])
        self.assertEqual(seconds(shown["not_before"]), int(begin) + 7200)
        self.inbox.wait(2)
        self.assertGreaterEqual(time.time(), begin + 3)
        asked = [line for one in self.inbox.raw() for line in one.decode().splitlines() if line.startswith("Future-")]
        self.assertEqual(sorted(asked), ["Future-Release-Request: for;3", f"Future-Release-Request: until;{until}"])
        gone, = self.history("for@a.test")
        self.assertEqual(seconds(gone["not_before"]) - seconds(gone["received"]), 3)
        self.assertEqual(gone["attempts"], 1)
        self.suite.stop()

    def test_what_webhooks_are_to_tell_is_shown_and_does_not_go_out(self):
        self.sink.script("RCPT", LATER, "250 ok")
        self.submit("x@a.test", extra="X-Mox-Extra-Order: 1042\r\nX-Quartermaster-Extra-who: me\r\n again\r\n")
        self.suite.wait_log(m="deferred")
        row, = self.qmctl("queue", "list")
        extra = {"Order": "1042", "Who": "me again"}
        self.assertEqual(self.qmctl("queue", "show", row["id"])["extra"], extra)
        self.qmctl("queue", "kick", "--all")
        wait.until(lambda: self.states() == {}, what="it is delivered")
        item, = self.history("x@a.test")
        self.assertEqual(item["extra"], extra)
        mail, = (mail for mail in self.sink.mails if mail.accepted and mail.recipients)
        self.assertNotIn(b"Extra", mail.data)
        self.assertIn(b"\r\nSubject: hello\r\n", mail.data)
        self.suite.stop()


def seconds(text):
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


if __name__ == "__main__":
    case.main()
