"""What an operator does with qmctl and mailq: look, act, change passwords and the configuration, stop."""

import json
import re
import smtplib
import socket

from harness import api, case, client, httpsink, mailbox, smtpsink, suite, wait

CONFIG = """
hostname mx.us.test
listen public { address 192.0.2.1  smtp 25  submission 587  http 80  webapi yes  require-tls-for-auth no }
domain us.test { }
account ann {
    address ann@us.test
    full-name "Ann"
    webhook outgoing { url "http://192.0.2.3/hook"  authorization "Bearer of-secrets"  events failed } }
account bob { address bob@us.test }
transport sink { smtp { host 192.0.2.2  tls none  idle-timeout 0 } }
route { transport sink }
webhooks { allow-private yes }
"""


class Operator(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1)
        self.sink = smtpsink.SmtpSink(self.lan.host("sink", 2), 25, script={"RCPT": "451 4.2.2 mailbox is full"})
        self.hooks = httpsink.HttpSink(self.lan.host("app", 3), 80)
        self.addCleanup(self.sink.close)
        self.addCleanup(self.hooks.close)
        self.suite = suite.Suite(CONFIG, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret", "bob": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        self.inbox = mailbox.Maildir(self.suite.folder / "state/mail/ann")

    # ---- shorthands

    def submit(self, recipients, sender="ann@us.test", password="secret"):
        with client.connect(self.us.v4, 587) as smtp:
            client.plain(smtp, sender, password)
            smtp.sendmail(sender, recipients, client.message(recipients[0], "stuck", sender=sender))

    def stuck(self, *messages):
        """Queued mail, after its first attempt; rows by recipient."""
        for sender, recipients in messages:
            self.submit(recipients, sender)
        count = sum(len(recipients) for _, recipients in messages)
        self.suite.wait_log(m="deferred", count=count)
        rows = {row["to"]: row for row in self.qmctl("queue", "list")}
        self.assertEqual(len(rows), count)
        return rows

    def qmctl(self, *words, **more):
        return self.suite.qmctl(*words, **more)

    def code(self, *words):
        return self.qmctl(*words, check=False).returncode

    def text(self, *words):
        """What it prints for people."""
        return self.us.run(["/run/bin/qmctl", "-c", self.suite.config_path, *words]).stdout

    def mailq(self, *words):
        return self.us.run(["/run/bin/mailq", "-C", self.suite.config_path, *words]).stdout

    def notices(self):
        """Those to ann, wherever they are."""
        return [row for what in ("queue", "retired") for row in self.qmctl(what, "list", "--to", "ann@us.test") if not row["from"]]

    # ---- the queue

    def test_looking_at_the_queue(self):
        self.assertEqual(self.qmctl("queue", "list"), [])
        self.assertIn("empty", self.text("queue", "list"))
        self.assertEqual(self.mailq(), "Mail queue is empty\n")
        rows = self.stuck(("ann@us.test", ["x@a.test", "y@a.test"]), ("bob@us.test", ["z@b.test"]))
        row = rows["x@a.test"]
        self.assertEqual({key: row[key] for key in ("state", "account", "from", "subject", "attempts", "transport")},
                         {"state": "queued", "account": "ann", "from": "ann@us.test", "subject": "stuck", "attempts": 1,
                          "transport": ""})
        self.assertEqual(row["message_id"], "<stuck@client.test>")
        self.assertIn("451 4.2.2 mailbox is full", row["last"])
        for words, wanted in ((["--account", "bob"], ["z@b.test"]), (["--to", "@a.test"], ["x@a.test", "y@a.test"]),
                              (["--from", "bob@"], ["z@b.test"]), (["--held"], []), (["--limit", "2"], None),
                              (["--account", "ann", "--to", "y@"], ["y@a.test"]), ([row["id"]], ["x@a.test"]),
                              (["#" + str(row["number"])], ["x@a.test"]),
                              (["--message", row["qid"]], ["x@a.test", "y@a.test"])):
            got = [one["to"] for one in self.qmctl("queue", "list", *words)]
            self.assertEqual(sorted(got), wanted if wanted is not None else sorted(got)[:2], words)
        item = self.qmctl("queue", "show", row["id"])
        self.assertEqual([one["reply"] for one in item["history"]], ["451 4.2.2 mailbox is full"])
        shown = self.text("queue", "show", row["id"])
        for words in ("x@a.test", "ann@us.test", "stuck", "451 4.2.2 mailbox is full", "192.0.2.2:25", "Attempt 1"):
            self.assertIn(words, shown)
        table = self.text("queue", "list").splitlines()
        self.assertEqual(table[0].split(), ["ID", "AGE", "NEXT", "TRIES", "FROM", "TO", "LAST"])
        self.assertEqual(len(table), 4)
        self.check_mailq(rows)
        self.assertEqual(self.code("queue", "show", "1NGKD280000"), 65)
        self.assertEqual(self.code("queue", "show", "not-an-id"), 64)
        self.suite.stop()

    def test_a_message_is_shown_whole_wherever_its_recipients_are(self):
        self.sink.script("RCPT", "250 2.1.5 ok", "451 4.2.2 mailbox is full", "250 2.1.5 ok")
        self.submit(["x@a.test", "y@a.test", "z@a.test"])
        wait.until(lambda: len(self.qmctl("retired", "list")) == 2, what="two that are delivered")
        wait.until(lambda: [row["attempts"] for row in self.qmctl("queue", "list")] == [1], what="one that is put off")
        last = self.qmctl("queue", "list")[0]
        for id in (last["qid"], last["id"], self.qmctl("retired", "list")[1]["id"]):
            shown = self.qmctl("message", "show", id)
            self.assertEqual([(one["to"], one["state"]) for one in shown],
                             [("x@a.test", "delivered"), ("y@a.test", "queued"), ("z@a.test", "delivered")])
            self.assertEqual([one["history"][0]["tls"] for one in shown], ["clear, TLS is switched off; policy none"] * 3)
        text = self.text("message", "show", last["id"])
        self.assertRegex(text, r"(?s)x@a\.test.*delivered.*\n\nRecipient.*451 4\.2\.2 mailbox is full\n\nRecipient.*z@a\.test")
        self.assertEqual(self.code("message", "show", "1NGKD280000"), 65)
        self.assertEqual(self.code("message", "show"), 64)
        self.suite.stop()

    def test_what_strangers_write_does_not_reach_the_terminal_as_it_is(self):
        odd = client.message("x@a.test", "odd", sender="ann@us.test").replace(
            b"Subject: odd", b"Subject: caf\xc3\xa9 \xc2\x9b31m \x1b[2J")
        with client.connect(self.us.v4, 587) as smtp:
            client.plain(smtp, "ann@us.test", "secret")
            smtp.sendmail("ann@us.test", ["x@a.test"], odd, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
        rows = wait.until(lambda: [one for one in self.qmctl("retired", "list") if one["to"] == "x@a.test"],
                          what="the mail that the sink cannot take")
        shown = self.text("retired", "show", rows[0]["id"])
        self.assertRegex(shown, r"(?m)^Subject    caf\u00e9 \?31m \?\[2J$")
        self.suite.stop()

    def check_mailq(self, rows):
        text = self.mailq()
        head, *_ = lines = text.splitlines()
        self.assertTrue(head.startswith("-Queue ID-") or head.startswith("----Queue ID-----"), head)
        qid = rows["x@a.test"]["qid"]
        first, = (line for line in lines if line.startswith(qid))
        self.assertRegex(first, rf"^{qid} +\d+ \w{{3}} \w{{3}} [ \d]\d \d\d:\d\d:\d\d ann@us\.test$")
        self.assertRegex(text, r"\n +\(.*451 4\.2\.2 mailbox is full.*\)\n +x@a\.test\n")
        self.assertRegex(lines[-1], r"^-- \d+ Kbytes in 2 Requests\.$")
        found = [json.loads(line) for line in self.mailq("-j").splitlines()]
        self.assertEqual({one["queue_name"] for one in found}, {"deferred"})
        self.assertEqual([len(one["recipients"]) for one in found], [2, 1])

    def test_what_is_queued_from_a_domain_that_is_disabled_then_stays(self):
        self.stuck(("ann@us.test", ["x@a.test"]))
        self.sink.script("RCPT", "250 2.1.5 ok")
        self.suite.write_config(CONFIG.replace("domain us.test { }", "domain us.test { disabled yes }"))
        self.qmctl("reload")
        self.qmctl("queue", "kick", "--all")
        self.suite.wait_log(m="deferred", dsn="4.7.1")
        row, = self.qmctl("queue", "list")
        self.assertEqual((row["last"], row["attempts"]), ("us.test, the domain of the sender, is disabled", 2))
        self.assertIn("us.test, the domain of the sender, is disabled", self.text("queue", "list"))
        self.assertEqual(len(self.sink.sessions), 1)
        self.suite.write_config(CONFIG)
        self.qmctl("reload")
        self.qmctl("queue", "kick", "--all")
        self.suite.wait_log(m="delivered")
        self.assertEqual(len(self.sink.sessions), 2)
        self.suite.stop()

    def test_acting_on_the_queue(self):
        rows = self.stuck(("ann@us.test", ["x@a.test"]), ("ann@us.test", ["y@a.test"]), ("bob@us.test", ["z@b.test"]))
        x, y, z = (rows[name]["id"] for name in ("x@a.test", "y@a.test", "z@b.test"))
        self.assertEqual(self.qmctl("queue", "hold", "-n", "--account", "ann"), {"recipients": 2, "dry_run": True})
        self.assertEqual(self.qmctl("queue", "list", "--held"), [])
        self.assertEqual(self.qmctl("queue", "hold", x), {"recipients": 1, "dry_run": False})
        self.assertEqual(self.qmctl("queue", "show", x)["state"], "held")
        self.assertIn(rows["x@a.test"]["qid"] + "!", self.mailq())
        self.sink.script("RCPT", "250 ok")
        self.qmctl("queue", "kick", "--to", "@a.test")
        def taken():
            return [mail.recipients for mail in self.sink.mails if mail.recipients]
        wait.until(lambda: taken() == [["<y@a.test>"]], what="the mail that is not held")
        self.assertEqual(self.qmctl("queue", "release", x)["recipients"], 1)
        self.qmctl("queue", "kick", x, check=False)
        wait.until(lambda: taken() == [["<y@a.test>"], ["<x@a.test>"]], what="what was held")
        wait.until(lambda: len(self.qmctl("queue", "list")) == 1, what="the others to be gone")
        self.assertEqual(self.qmctl("queue", "drop", z)["recipients"], 1)
        self.assertEqual(self.qmctl("queue", "list"), [])
        self.assertEqual(self.code("queue", "drop", z), 65)
        self.assertEqual(self.code("queue", "drop"), 64)
        self.assertEqual(self.inbox.files(), [])
        self.assertEqual(len(taken()), 2)
        ended = {row["to"]: row["success"] for row in self.qmctl("retired", "list")}
        self.assertEqual(ended, {"x@a.test": True, "y@a.test": True, "z@b.test": False})
        self.assertIn("250 2.0.0 Ok", self.text("retired", "show", y))
        self.suite.stop()

    def test_giving_up_tells_the_sender_and_the_webhook(self):
        self.hooks.always(500)
        rows = self.stuck(("ann@us.test", ["x@a.test", "y@a.test"]))
        self.assertEqual(self.qmctl("queue", "fail", rows["x@a.test"]["id"])["recipients"], 1)
        notice, = self.inbox.wait(1)
        _, status, _ = notice.iter_parts()
        _, fields = status.get_payload()
        self.assertEqual((fields["Final-Recipient"], fields["Action"]), ("rfc822; x@a.test", "failed"))
        # The notice is in the mailbox a moment before its row has left the queue.
        wait.until(lambda: [row["to"] for row in self.qmctl("queue", "list")] == ["y@a.test"], what="the end of the notice")
        hook = wait.until(lambda: [one for one in self.qmctl("hook", "list") if one["attempts"] == 1],
                          what="the webhook's first attempt")[0]
        self.assertEqual((hook["account"], hook["event"], hook["url"]), ("ann", "failed", "http://192.0.2.3/hook"))
        self.assertIn("http://192.0.2.3/hook", self.text("hook", "list"))
        self.suite.stop()

    # ---- accounts

    def test_an_account_that_is_gone_is_done_away_with(self):
        self.qmctl("suppress", "add", "ann", "x@y.test")
        self.qmctl("suppress", "add", "bob", "x@y.test")
        self.hooks.always(httpsink.Answer(500))
        self.stuck(("ann@us.test", ["c@d.test", "e@d.test"]), ("bob@us.test", ["f@d.test"]))
        self.qmctl("queue", "fail", "--to", "c@d.test")  # which makes a webhook, that fails
        wait.until(lambda: [row for row in self.qmctl("hook", "list") if row["attempts"] == 1], what="a webhook that waits")
        refused = self.qmctl("account", "purge", "--yes", "ann", check=False)
        self.assertEqual((refused.returncode, "is in the configuration" in refused.stderr), (65, True), refused.stderr)
        begin, end = CONFIG.index("account ann"), CONFIG.index("account bob")
        self.suite.write_config(CONFIG[:begin] + CONFIG[end:])
        # As long as the suite goes by the configuration from before, it is none.
        refused = self.qmctl("account", "purge", "--yes", "ann", check=False)
        self.assertEqual((refused.returncode, "is in the configuration" in refused.stderr), (65, True), refused.stderr)
        self.assertEqual(len(self.qmctl("queue", "list", "--account", "ann")), 1)
        self.qmctl("reload")
        self.assertEqual(len(self.notices()), 1)
        counted = self.qmctl("account", "purge", "ann")
        self.assertEqual((counted.pop("dry_run"), counted), (True, counted | {
            "account": "ann", "recipients": 1, "webhooks": 1, "suppressions": 1, "from_ids": 0, "keys": 0}))
        self.assertGreaterEqual(counted["events"], 5)
        self.assertEqual(len(self.qmctl("queue", "list", "--account", "ann")), 1)
        self.assertIn("Nothing was done", self.text("account", "purge", "ann"))
        done = self.qmctl("account", "purge", "--yes", "ann")
        self.assertEqual((done.pop("dry_run"), done["recipients"], done["webhooks"], done["suppressions"]), (False, 1, 1, 1))
        self.assertEqual((self.qmctl("queue", "list", "--account", "ann"), self.qmctl("hook", "list"),
                          self.qmctl("suppress", "list", "ann")), ([], [], []))
        self.assertEqual(self.qmctl("hook", "retired", "list")[0]["last"], "canceled by admin")
        self.assertEqual([row["last"] for row in self.qmctl("retired", "list", "--to", "e@d.test")], ["delivery canceled by admin"])
        # Its sender is told, at an address that is no longer ours to deliver to.
        wait.until(lambda: len(self.notices()) == 2, what="the notice to the sender")
        again = self.qmctl("account", "purge", "--yes", "ann")
        self.assertEqual([again[key] for key in ("recipients", "webhooks", "suppressions", "events")], [0] * 4)
        self.assertEqual((len(self.qmctl("queue", "list", "--account", "bob")), len(self.qmctl("suppress", "list", "bob"))), (1, 1))
        self.assertEqual(self.code("account", "purge", "ann"), 65)  # there is nothing left of it
        self.assertEqual(self.code("account", "purge"), 64)
        self.suite.stop()

    def test_a_changed_password_is_in_force_at_once(self):
        self.assertEqual({one["account"]: one["password"] for one in self.qmctl("account", "list")},
                         {"ann": "set", "bob": "set"})
        self.assertEqual(self.qmctl("account", "password", "ann", input="new secret\n"), {"done": True})
        self.submit(["x@a.test"], password="new secret")
        web = api.Api(self.us.v4, 80, "ann@us.test", "new secret")
        self.assertEqual(web.call("Send", {}).status, 400)
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            self.submit(["x@a.test"], password="secret")
        self.assertEqual(api.Api(self.us.v4, 80, "ann@us.test", "secret").call("Send", {}).status, 401)
        self.submit(["x@a.test"], sender="bob@us.test")
        self.assertEqual(self.qmctl("account", "remove", "bob"), {"done": True})
        self.assertEqual(self.code("account", "remove", "bob"), 65)
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            self.submit(["x@a.test"], sender="bob@us.test")
        self.assertEqual(self.qmctl("account", "password", "nobody", input="x\n", check=False).returncode, 65)
        self.assertEqual(self.qmctl("account", "password", "ann", input="", check=False).returncode, 66)
        file = self.suite.folder / "state/credentials"
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        self.assertNotIn("secret", file.read_text())
        self.suite.stop()

    # ---- the configuration

    def test_a_good_configuration_is_taken_and_a_bad_one_is_not(self):
        self.assertEqual(self.qmctl("config", "check"), {"good": True})
        shown = self.qmctl("config", "show")["config"]
        self.assertIn("hostname mx.us.test", shown)
        self.assertIn('authorization "********"', shown)
        self.assertNotIn("of-secrets", shown)
        self.suite.write_config(CONFIG + "account carl { address carl@us.test }\n")
        self.assertEqual(self.qmctl("reload"), {"done": True})
        client.send(self.us.v4, 25, "b@example.net", ["carl@us.test"], client.message("carl@us.test", "x"))
        before = self.qmctl("config", "show")
        bad = CONFIG.replace('full-name "Ann"', "fool-name Ann") + "queue { attempts 0 }\nroute { transport nowhere }\n"
        self.suite.write_config(bad)
        lines = self.suite.config_path.read_text().splitlines()
        self.suite.allow_error("not reloaded|fool-name|attempts|nowhere")
        done = self.qmctl("reload", check=False)
        self.assertEqual(done.returncode, 78)
        self.check_places(done.stderr, lines)
        done = self.qmctl("config", "check", check=False)
        self.assertEqual((done.returncode, json.loads(done.stdout)), (78, {"good": False}))
        self.check_places(done.stderr, lines)
        self.assertEqual(self.qmctl("config", "show"), before)
        client.send(self.us.v4, 25, "b@example.net", ["carl@us.test"], client.message("carl@us.test", "x"))
        done = self.us.run(["/run/bin/quartermaster", "-n", "-c", self.suite.config_path], check=False)
        self.assertEqual(done.returncode, 78)
        self.check_places(done.stderr, lines)
        self.assertEqual(self.qmctl("status")["processes"][0]["restarts"], 0)
        self.suite.stop()

    def check_places(self, text, lines):
        """All three mistakes are told, each with file, line and column, and the line itself."""
        for word in ("fool-name", "attempts 0", "nowhere"):
            number, = [i for i, line in enumerate(lines, 1) if word in line]
            self.assertRegex(text, rf"(?m)^\S*{re.escape(self.suite.config_path.name)}:{number}:\d+: ", text)
            self.assertIn(lines[number - 1].strip(), text)

    def test_what_cannot_be_used_is_refused_as_a_whole(self):
        taken = socket.socket()
        with self.us.inside():
            taken = socket.create_server(("192.0.2.1", 2525))
        self.addCleanup(taken.close)
        self.suite.allow_error("not reloaded")
        for more, why in (("listen second { address 192.0.2.1  smtp 2525 }", "in use"),
                          ('domain d.test { dkim s { key-file "absent.pem" } }', "absent.pem"),
                          ('state-dir "/elsewhere"', "state-dir")):
            config = CONFIG + more + "\n"
            self.suite.write_config(config if "state-dir" not in more else CONFIG)
            if "state-dir" in more:
                text = self.suite.config_path.read_text()
                self.suite.config_path.write_text(re.sub(r'(?m)^state-dir .*$', more, text))
            done = self.qmctl("reload", check=False)
            self.assertEqual(done.returncode, 78, done)
            self.assertIn(why, done.stderr)
        self.suite.write_config(CONFIG)
        self.qmctl("reload")
        client.send(self.us.v4, 25, "b@example.net", ["ann@us.test"], client.message("ann@us.test", "x"))
        self.suite.stop()

    # ---- the suite

    def test_status_and_the_end(self):
        status = self.qmctl("status")
        self.assertEqual((status["privileged"], status["config"]), (True, str(self.suite.config_path)))
        self.assertEqual({one["state"] for one in status["processes"]}, {"up"})
        text = self.text("status")
        for words in ("quartermaster, pid ", "smtpd/0", "delivery/sink", "0 messages"):
            self.assertIn(words, text)
        self.assertEqual(self.code("nonsense"), 64)
        self.check_slips()
        self.assertEqual(self.code("clock", "step", "1000"), 75)
        self.qmctl("stop")
        self.assertEqual(self.suite.process.wait(10), 0)
        self.assertEqual(self.code("status"), 69)
        self.assertEqual(self.code("queue", "list"), 69)
        self.suite.start()
        self.suite.stop()

    def check_slips(self):
        """Who asks for help, or mistypes, has not given an order."""
        for words in (["stop", "-h"], ["stop", "--help"], ["reload", "-h"], ["status", "-h"], ["account", "-h"],
                      ["config", "-h"], ["hook", "-h"], ["queue", "drop", "--all", "-h"], ["retired", "list", "-h"]):
            self.assertRegex(self.text(*words), r"^usage: qmctl ", words)
        for words in (["stop", "now"], ["reload", "x"], ["status", "x"], ["config"], ["hook", "show"]):
            self.assertEqual(self.code(*words), 64, words)
        self.assertEqual(json.loads(self.text("status", "-j"))["config"], str(self.suite.config_path))
        self.assertEqual(json.loads(self.text("queue", "list", "--json")), [])
        typo = self.us.run(["/run/bin/qmctl", "-c", "/etc/quartermaster.conf", "stop"], check=False)
        self.assertEqual(typo.returncode, 66, "another suite than the one that was named may be at the standard place")
        full = self.us.run(["sh", "-c", f"/run/bin/qmctl -c {self.suite.config_path} status > /dev/full"], check=False)
        self.assertEqual(full.returncode, 74)
        self.assertIsNone(self.suite.process.poll())


if __name__ == "__main__":
    case.main()
