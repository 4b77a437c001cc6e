"""A message that nobody takes: its attempts, the two notices its sender gets, and what is kept of it."""

import datetime

from harness import api, case, client, mailbox, smtpsink, suite, wait

CONFIG = """
hostname mx.us.test
test-clock yes
listen public { address 192.0.2.1  smtp 25  submission 587  require-tls-for-auth no }
domain us.test { }
account ann { address ann@us.test }
transport sink { smtp { host 192.0.2.2  tls none  idle-timeout 0 } }
transport fail { fail { code 554  text "not here" } }
route { to refused.test  transport fail }
route { to other.test  min-attempts 2  transport fail }
route { transport sink }
%s
"""
REPLY = "451-4.3.2 the first line\n451 4.3.2 and the second"
WAITS = [450 * 2 ** n for n in range(7)]  # seconds before each further attempt


def time_of(text):
    return datetime.datetime.fromisoformat(text)


class RetryAndDsn(case.LanCase):
    def start(self, more=""):
        self.us = self.lan.host("us", 1)
        self.sink = smtpsink.SmtpSink(self.lan.host("sink", 2), 25)
        self.addCleanup(self.sink.close)
        self.suite = suite.Suite(CONFIG % more, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        self.inbox = mailbox.Maildir(self.suite.folder / "state/mail/ann")
        self.stepped = 0

    def submit(self, *recipients, token="hopeless", options=()):
        with client.connect(self.us.v4, 587) as smtp:
            client.plain(smtp, "ann@us.test", "secret")
            smtp.sendmail("ann@us.test", recipients, client.message(recipients[0], token, sender="ann@us.test"),
                          rcpt_options=options)

    def step(self, seconds):
        self.stepped += seconds
        self.suite.qmctl("clock", "step", round(seconds * 1000))

    def after(self, attempts):
        """The one queued recipient's row once so many attempts are over, with the seconds left to the next."""
        def look():
            rows = self.suite.qmctl("queue", "list")
            return rows[0] if rows and rows[0]["attempts"] == attempts else None
        row = wait.until(look, what=lambda: f"attempt {attempts}: {self.suite.qmctl('queue', 'list')}")
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.stepped)
        return row, (time_of(row["next"]) - now).total_seconds()

    def report(self, number):
        """Message `number` to ann, taken as a DSN: (text, per-message fields, per-recipient fields)."""
        report = self.inbox.wait(number)[number - 1]
        self.assertEqual(report.get_content_type(), "multipart/report")
        self.assertEqual(report.get_param("report-type"), "delivery-status")
        self.assertEqual((report["Return-Path"], report["To"]), ("<>", "ann@us.test"))
        self.assertIn("auto-replied", report["Auto-Submitted"])
        text, status, original = report.iter_parts()
        whole, *each = status.get_payload()
        self.assertEqual(original.get_content_type(), "text/rfc822-headers")
        self.assertIn("Subject: hopeless", original.get_payload())
        return text.get_content(), whole, each

    def test_eight_attempts_two_notices_and_a_history(self):
        self.start()
        self.sink.script("RCPT", REPLY)
        self.submit("b@example.net")
        for number, seconds in enumerate(WAITS, 1):
            row, left = self.after(number)
            self.assertEqual(len(self.sink.sessions), number)
            self.assertAlmostEqual(left, seconds, delta=seconds * 0.011 + 5)
            if number == 5:
                self.inbox.wait(1)
            self.assertEqual(len(self.inbox.files()), 0 if number < 5 else 1)
            if number == 5:
                self.check_delay(row)
            self.step(left - 5)
            self.assertEqual(self.suite.qmctl("queue", "list")[0]["attempts"], number)
            self.step(5.1)
        self.check_failure()
        self.assertEqual(len(self.sink.sessions), 8)
        wait.until(lambda: self.suite.qmctl("queue", "list") == [], what="the end of it")  # of the notice, which is mail, too
        self.check_history()
        self.suite.stop()

    def check_delay(self, row):
        text, whole, (status,) = self.report(1)
        self.assertEqual(whole["Reporting-MTA"], "dns; mx.us.test")
        self.assertEqual((status["Final-Recipient"], status["Action"]), ("rfc822; b@example.net", "delayed"))
        self.assertEqual(status["Status"].split()[0], "4.3.2")
        self.assertIn("451", status["Diagnostic-Code"])
        self.assertIsNotNone(status["Will-Retry-Until"])
        self.assertIn("b@example.net", text)

    def check_failure(self):
        text, whole, (status,) = self.report(2)
        self.assertEqual((status["Final-Recipient"], status["Action"]), ("rfc822; b@example.net", "failed"))
        self.assertRegex(status["Status"], r"^[45]\.")
        self.assertIn("the first line", status["Diagnostic-Code"])
        self.assertIn("and the second", status["Diagnostic-Code"])
        self.assertIn("and the second", text)

    def check_history(self):
        row, = self.suite.qmctl("retired", "list", "--to", "b@example.net")
        self.assertEqual((row["success"], row["attempts"], row["account"], row["from"]),
                         (False, 8, "ann", "ann@us.test"))
        item = self.suite.qmctl("retired", "show", row["id"])
        history = item["history"]
        self.assertEqual(len(history), 8)
        for one in history:
            self.assertEqual({key: one[key] for key in
                              ("result", "stage", "code", "enhanced", "reply", "remote_host", "remote_address", "tls")},
                             {"result": "deferred", "stage": "rcpt", "code": 451, "enhanced": "4.3.2", "reply": REPLY,
                              "remote_host": "192.0.2.2", "remote_address": "192.0.2.2:25", "tls": "clear, TLS is switched off; policy none"})
            self.assertGreaterEqual(one["duration_ms"], 0)
        starts = [time_of(one["start"]) for one in history]
        for before, after, seconds in zip(starts, starts[1:], WAITS):
            self.assertAlmostEqual((after - before).total_seconds(), seconds, delta=seconds * 0.011 + 5)
        self.assertEqual(item["client"], "192.0.2.254 ESMTPA client.test")

    def test_notify_is_kept_to(self):
        self.start("queue { attempts 1 }")
        self.sink.script("RCPT", REPLY)
        for option in ("NOTIFY=NEVER", "NOTIFY=SUCCESS,DELAY", "NOTIFY=FAILURE"):
            self.submit("b@example.net", options=[option, "ORCPT=rfc822;original+2Bname@example.net"])
            wait.until(lambda: self.suite.qmctl("queue", "list") == [], what="the end of it")
        _, _, (status,) = self.report(1)
        self.assertEqual(status["Original-Recipient"], "rfc822; original+name@example.net")
        self.assertEqual(len(self.inbox.files()), 1)
        self.suite.stop()

    def test_success_is_told_to_whoever_asked(self):
        self.start()
        self.submit("b@example.net", options=["NOTIFY=FAILURE"])
        self.submit("b@example.net", options=["NOTIFY=SUCCESS"])
        _, whole, (status,) = self.report(1)
        self.assertEqual((status["Action"], status["Status"].split()[0]), ("relayed", "2.0.0"))
        self.submit("ann@us.test", options=["NOTIFY=SUCCESS,FAILURE"])
        wait.until(lambda: self.suite.qmctl("queue", "list") == [], what="the end of it")
        self.assertEqual(sorted(str(mail["Subject"]) for mail in self.inbox.wait(3)),
                         ["Message delivered", "Message relayed", "hopeless"])
        self.suite.stop()

    def test_a_from_id_makes_each_recipients_return_path_unique(self):
        self.start("account app { address app@us.test  from-id-login app@us.test }")
        self.suite.add_file("state/credentials", api.credentials({"app": "secret"}))
        self.suite.qmctl("reload")
        with client.connect(self.us.v4, 587) as smtp:
            client.plain(smtp, "app@us.test", "secret")
            smtp.sendmail("app@us.test", ["b@example.net", "c@example.net"],
                          client.message("b@example.net", "unique", sender="app@us.test"))
        self.sink.wait(2)
        paths = {mail.sender.split()[0].strip("<>") for mail in self.sink.mails}
        self.assertEqual(len(paths), 2)
        wait.until(lambda: self.suite.qmctl("queue", "list") == [], what="the end of it")
        rows = self.suite.qmctl("retired", "list")
        ids = {self.suite.qmctl("retired", "show", row["id"])["from_id"] for row in rows}
        self.assertEqual(paths, {f"app+{one}@us.test" for one in ids})
        self.suite.stop()

    def test_a_route_may_fail_at_once_or_after_attempts(self):
        self.start()
        self.sink.script("RCPT", REPLY)
        self.submit("x@refused.test")
        _, _, (status,) = self.report(1)
        self.assertEqual(status["Diagnostic-Code"], "smtp; 554 not here")
        self.submit("y@other.test")
        for number in (1, 2):
            _, left = self.after(number)
            self.step(left + 0.1)
        _, _, (status,) = self.report(2)
        self.assertEqual(status["Final-Recipient"], "rfc822; y@other.test")
        self.assertEqual(len(self.sink.sessions), 2)
        self.suite.stop()

    def test_notices_of_notices_are_not_sent(self):
        self.start("queue { attempts 1 }")
        self.sink.script("RCPT", REPLY)
        self.us.run(["/run/bin/sendmail", "-C", self.suite.config_path, "-f", "<>", "b@example.net"],
                    input="From: ann@us.test\nSubject: x\n\nx\n")
        self.suite.wait_log(m="deferred")
        wait.until(lambda: self.suite.qmctl("queue", "list") == [], what="the end of it")
        self.assertEqual(self.inbox.files(), [])
        self.suite.stop()

    def test_the_schedule_survives_the_end_of_the_suite(self):
        self.start()
        self.sink.script("RCPT", REPLY)
        self.submit("b@example.net")
        row, _ = self.after(1)
        self.suite.stop()
        self.suite.start()
        again, _ = self.after(1)
        self.assertEqual(again, row)
        self.suite.kill()
        self.suite.start()
        again, _ = self.after(1)
        self.assertEqual(again, row)
        self.sink.script("RCPT", "250 ok")
        self.suite.qmctl("clock", "step", 460_000)
        self.sink.wait(1)
        self.suite.stop()


if __name__ == "__main__":
    case.main()
