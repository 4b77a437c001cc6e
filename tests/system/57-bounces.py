"""What becomes of an address that refuses mail: events, webhooks and the suppression list, by what Postfix and Exim
say at once and by what they send back later."""

from harness import api, capture, case, client, dnszone, exim, httpsink, mailbox, postfix, suite, wait

CONFIG = """
hostname mx.us.test
listen public {{ address {us}  smtp 25  submission 587  require-tls-for-auth no  http 80  webapi yes }}
domain us.test {{ }}
account app {{
    address app@us.test
    from-id-login app@us.test
    webhook outgoing {{ url "{url}/app" }}
    webhook incoming {{ url "{url}/in" }}
}}
account bare {{
    address bare@us.test
    mailbox no
    from-id-login bare@us.test
    suppress-at-send yes
    webhook outgoing {{ url "{url}/bare" }}
}}
queue {{ attempts 1 }}
deliver {{ connect-timeout 1s }}
webhooks {{ allow-private yes }}
"""
EXIM_RULES = """\
  deny local_parts = full
       message = 552 5.2.2 the mailbox is full
  deny local_parts = policy
       message = 550 5.7.1 we do not like you
  deny local_parts = late : gone
       message = 550 5.1.1 no such user any more
"""


class Bounces(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1)
        self.late = exim.Exim(self.lan.host("late", software=["exim"]), domains=["example.org"],
                              mailboxes=["someone@example.org"], rcpt_rules=EXIM_RULES)
        self.mx = postfix.Postfix(
            self.lan.host("mx", software=["postfix"]), ["example.net"], mailboxes=["someone@example.net", "late@example.net"],
            settings={"virtual_alias_maps": "inline:{ list@example.net=gone@example.org }",
                      "transport_maps": f"inline:{{ late@example.net=smtp:[{self.late.host.v4}]:25 }}"})
        zones = [dnszone.Zone(name).mx("@", 10, "mx").address("mx", host.v4)
                 for name, host in (("us.test", self.us), ("example.net", self.mx.host), ("example.org", self.late.host))]
        self.dns = dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), zones).start()
        self.lan.resolve_through(self.dns.host)
        self.mx.start()
        self.late.start()
        self.hooks = httpsink.HttpSink(self.lan.host("hooks", 80), 80)
        self.addCleanup(self.hooks.close)
        self.suite = suite.Suite(CONFIG.format(us=self.us.v4, url=self.hooks.url), host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"app": "secret", "bare": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())

    def send(self, to, account="app", **more):
        answer = api.Api(self.us.v4, 80, f"{account}@us.test", "secret").call("Send", {
            "To": [{"Address": to}], "Subject": "hi", "Text": "x", "Extra": {"order": "7"}, **more})
        self.assertEqual(answer.status, 200, answer.text)
        submission, = answer.json["Submissions"]
        self.assertRegex(submission["FromID"], "^[a-z2-7]{26}$")
        return submission

    def told(self, submission, count, path="/app"):
        """What the application was told of a recipient, once it has been told so often."""
        def mine():
            return [one.json() for one in self.hooks.requests
                    if one.path == path and one.json()["QueueMsgID"] == submission["QueueMsgID"]]
        wait.until(lambda: len(mine()) >= count,
                   what=lambda: f"{count} webhooks: {[one.json() for one in self.hooks.requests]}")
        for payload in mine():
            self.assertEqual((payload["FromID"], payload["Extra"]), (submission["FromID"], {"order": "7"}))
        return [(one["Event"], one["DSN"], one["Suppressing"], one["SMTPCode"], one["SMTPEnhancedCode"]) for one in mine()]

    def listed(self, account="app"):
        return {row["address"]: (row["class"], row["reason"]) for row in self.suite.qmctl("suppress", "list", account)}

    def test_an_unknown_user(self):
        first = self.send("No.Body+x@example.net")
        self.assertEqual(self.told(first, 1), [("failed", False, True, 550, "5.1.1")])
        self.assertEqual(self.listed(), {"No.Body+x@example.net": (
            "bad address", 'delivery failure from queue with smtp code 550, enhanced code "1.1"')})
        with capture.Capture() as link:
            second = self.send("nobody@example.net")
            self.assertEqual(self.told(second, 1), [("suppressed", False, False, 0, "")])
        self.assertEqual(link.connections(25), 0)
        item, = [row for row in self.suite.qmctl("retired", "list") if row["to"] == "nobody@example.net"]
        self.assertFalse(item["success"])
        notices = mailbox.Maildir(self.suite.folder / "state/mail/app").wait(2)
        self.assertIn("suppression list", notices[1].as_string())
        # Off the list it is tried again; what is on another account's list does not matter.
        self.assertEqual(self.suite.qmctl("suppress", "remove", "app", "nobody-y@example.net", check=False).returncode, 0)
        self.assertEqual(self.told(self.send("nobody@example.net"), 1), [("failed", False, True, 550, "5.1.1")])
        self.assertEqual(self.told(self.send("someone@example.net"), 1), [("delivered", False, False, 0, "")])
        self.suite.stop()

    def test_a_full_mailbox_and_a_policy(self):
        for number in (1, 2, 3):
            self.assertEqual(self.told(self.send("full@example.org"), 1),
                             [("failed", False, number == 3, 552, "5.2.2")])
        self.assertEqual(self.listed(), {"full@example.org": (
            "full", "delivery failure from queue and three consecutive failures")})
        self.assertEqual(self.told(self.send("full@example.org"), 1), [("suppressed", False, False, 0, "")])
        for _ in range(4):
            self.assertEqual(self.told(self.send("policy@example.org"), 1), [("failed", False, False, 550, "5.7.1")])
        self.assertEqual(list(self.listed()), ["full@example.org"])
        self.suite.stop()

    def test_accepted_and_bounced_later(self):
        sent = self.send("late@example.net")
        events = self.told(sent, 2)
        self.assertEqual(events[0], ("delivered", False, False, 0, ""))
        self.assertEqual(events[1][:3], ("failed", True, True))
        self.assertEqual(events[1][3], 550)
        self.assertEqual(list(self.listed()), ["late@example.net"])
        self.assertIn("delivery failure from DSN with smtp code 550", self.listed()["late@example.net"][1])
        item = self.suite.qmctl("retired", "show", sent["QueueMsgID"])
        self.assertTrue(item["success"])
        self.assertEqual([one["stage"] for one in item["history"]][1:], ["dsn"])
        mailbox.Maildir(self.suite.folder / "state/mail/app").wait(1)
        with capture.Capture() as link:
            self.assertEqual(self.told(self.send("late@example.net"), 1), [("suppressed", False, False, 0, "")])
        self.assertEqual(link.connections(25), 0)
        # By way of an address that is forwarded there.
        events = self.told(self.send("list@example.net"), 2)
        self.assertEqual([one[:2] for one in events], [("delivered", False), ("failed", True)])
        self.assertEqual(sorted(self.listed()), ["late@example.net", "list@example.net"])
        self.assertEqual([one for one in self.hooks.requests if one.path == "/in"], [])
        self.suite.stop()

    def test_an_account_without_a_mailbox(self):
        sent = self.send("late@example.net", "bare")
        events = self.told(sent, 2, "/bare")
        self.assertEqual([one[:3] for one in events], [("delivered", False, False), ("failed", True, True)])
        wait.until(lambda: self.suite.qmctl("queue", "list") == [], what="the end of it")
        self.assertFalse((self.suite.folder / "state/mail/bare").exists())
        # It does not even want to hear of mail that would not be sent.
        answer = api.Api(self.us.v4, 80, "bare@us.test", "secret").call("Send", {
            "To": [{"Address": "someone@example.org"}, {"Address": "l.ate@example.net"}], "Text": "x"})
        self.assertEqual((answer.status, answer.code), (400, "user"), answer.text)
        self.assertEqual(self.suite.qmctl("queue", "list"), [])
        with client.connect(self.us.v4, 587) as smtp:
            client.plain(smtp, "bare@us.test", "secret")
            refused = smtp.sendmail("bare@us.test", ["late@example.net", "someone@example.net"],
                                    client.message("someone@example.net", "token", sender="bare@us.test"))
        self.assertEqual({to: code for to, (code, _) in refused.items()}, {"late@example.net": 550})
        self.mx.mailbox("someone@example.net").wait()
        self.suite.stop()

    def test_operators(self):
        def run(*words):
            return self.suite.qmctl("suppress", *words, check=False).returncode
        self.assertEqual(self.suite.qmctl("suppress", "list"), [])
        self.assertEqual(run("add", "app", "Jo.e+x@B\u00fccher.example", "they asked"), 0)
        self.assertEqual(run("add", "app", "joe@b\u00fccher.example"), 65)
        self.assertEqual(run("add", "nobody", "joe@example.net"), 65)
        self.assertEqual(run("add", "app", "joe"), 64)
        row, = self.suite.qmctl("suppress", "list")
        self.assertEqual((row["account"], row["address"], row["base"], row["manual"], row["class"], row["reason"], row["expires"]),
                         ("app", "Jo.e+x@xn--bcher-kva.example", "joe@xn--bcher-kva.example", True, "manual", "they asked", None))
        self.assertEqual(self.suite.qmctl("suppress", "lookup", "app", "joe-1@xn--bcher-kva.example"), row)
        self.assertEqual(run("lookup", "bare", "joe@b\u00fccher.example"), 65)
        self.assertEqual(run("remove", "app", "j.oe@b\u00fccher.example"), 0)
        self.assertEqual(run("remove", "app", "joe@b\u00fccher.example"), 65)
        self.suite.stop()


if __name__ == "__main__":
    case.main()
