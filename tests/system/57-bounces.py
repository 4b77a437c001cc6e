"""What becomes of an address that refuses mail: events, webhooks and the suppression list, by what Postfix and Exim
say at once and by what they send back later."""

import pathlib
import smtplib

from harness import api, capture, case, client, dnszone, exim, httpsink, mailbox, opensmtpd, postfix, sendmail, suite, wait

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
account shut {{ address shut@us.test  login-disabled yes }}
account small {{ address small@us.test  messages-per-day 2  new-recipients-per-day 1 }}
transport exim {{ smtp {{ host {exim}  port 25  tls none }} }}
route {{ to example.com  transport exim }}
queue {{ attempts {attempts} }}
deliver {{ connect-timeout 1s }}
webhooks {{ allow-private yes }}
"""
EXIM_RULES = """\
  accept domains = example.com
  deny local_parts = full
       message = 552 5.2.2 the mailbox is full
  defer local_parts = crowded
       message = 452 4.2.2 the mailbox is full for now
  defer local_parts = later
       message = 450 4.2.1 not now
  deny local_parts = policy
       message = 550 5.7.1 we do not like you
  deny local_parts = late : gone
       message = 550 5.1.1 no such user any more
"""


REPORTS = pathlib.Path(__file__).resolve().parents[1] / "fuzz/corpus/dsnread"


class Bounces(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1)
        self.late = exim.Exim(self.lan.host("late", software=["exim"]), domains=["example.org"],
                              mailboxes=["someone@example.org"], rcpt_rules=EXIM_RULES)
        self.mx = postfix.Postfix(
            self.lan.host("mx", software=["postfix"]), ["example.net", "example.com"], mailboxes=["someone@example.net", "late@example.net"],
            settings={"virtual_alias_maps": "inline:{ list@example.net=gone@example.org }",
                      "transport_maps": f"inline:{{ late@example.net=smtp:[{self.late.host.v4}]:25 }}"})
        zones = [dnszone.Zone(name).mx("@", 10, "mx").address("mx", host.v4)
                 for name, host in (("us.test", self.us), ("example.net", self.mx.host), ("example.com", self.mx.host), ("example.org", self.late.host))]
        self.dns = dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), zones).start()
        self.lan.resolve_through(self.dns.host)
        self.mx.start()
        self.late.start()
        self.hooks = httpsink.HttpSink(self.lan.host("hooks", 80), 80)
        self.addCleanup(self.hooks.close)
        self.suite = suite.Suite(self.config(), host=self.us)
        self.suite.add_file("state/credentials", api.credentials(dict.fromkeys(("app", "bare", "small", "shut"), "secret")))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())

    def config(self, attempts=1):
        return CONFIG.format(us=self.us.v4, url=self.hooks.url, exim=self.late.host.v4, attempts=attempts)

    def send(self, to, account="app", **more):
        answer = api.Api(self.us.v4, 80, f"{account}@us.test", "secret").call("Send", {
            "To": [{"Address": to}], "Subject": "hi", "Text": "x", "Extra": {"order": "7"}, **more})
        self.assertEqual(answer.status, 200, answer.text)
        submission, = answer.json["Submissions"]
        self.assertRegex(submission["FromID"], "^[a-z2-7]{26}$")
        return submission

    def submit(self, to, sender="app@us.test", extra="", account="app"):
        with client.connect(self.us.v4, 587) as smtp:
            client.plain(smtp, f"{account}@us.test", "secret")
            return smtp.sendmail(sender, [to], client.message(to, "token", sender=f"{account}@us.test", extra=extra))

    def events(self, submission, last):
        """What the API tells of a recipient in the order in which it happened, once it tells of `last`."""
        def read():
            page = api.Api(self.us.v4, 80, "app@us.test", "secret").get("/webapi/v0/events?after=0").json["Events"]
            mine = [one for one in page if one["QueueMsgID"] == submission["QueueMsgID"]]
            return mine if mine and (mine[-1]["Event"], mine[-1]["DSN"]) == last else None
        return wait.until(read, what=f"the event {last}")

    def come_back(self, to, report, of="someone@example.net"):
        """A report of the corpus about `of` comes in for this address, as from anybody."""
        octets = (REPORTS / report).read_bytes()
        for name in (b"ann@example.org", b"nobody@example.org"):
            octets = octets.replace(name, of.encode())
        with smtplib.SMTP(self.us.v4, 25, local_hostname="mx.example.net", timeout=20) as smtp:
            smtp.sendmail("", [to], octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))

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

    def check_attempts(self, numbers):
        """What webhooks told of the number of each one's attempt, in their order."""
        self.assertEqual([one.json()["Attempt"] for one in self.hooks.requests if one.path == "/app"], numbers)

    def names(self, submission, last):
        """Of its events in their order, once this one is there."""
        return [one["Event"] for one in self.events(submission, (last, False))]

    def listed(self, account="app"):
        return {row["address"]: (row["class"], row["reason"]) for row in self.suite.qmctl("suppress", "list", account)}

    def test_an_unknown_user(self):
        first = self.send("No.Body+x@example.net")
        self.assertEqual(self.told(first, 1), [("failed", False, True, 550, "5.1.1")])
        self.assertEqual(self.names(first, "failed"), ["accepted", "failed"])
        self.assertEqual(self.listed(), {"No.Body+x@example.net": (
            "bad address", 'delivery failure from queue with smtp code 550, enhanced code "1.1"')})
        with capture.Capture() as link:
            second = self.send("nobody@example.net")
            self.assertEqual(self.told(second, 1), [("suppressed", False, False, 0, "")])
        self.assertEqual(link.connections(25), 0)
        self.assertEqual(self.names(second, "suppressed"), ["accepted", "suppressed"])
        item, = [row for row in self.suite.qmctl("retired", "list") if row["to"] == "nobody@example.net"]
        self.assertEqual((item["success"], item["attempts"]), (False, 1))
        shown = self.us.run([str(self.suite.qmctl_program), "-c", str(self.suite.config_path), "retired", "show", item["id"]]).stdout
        self.assertRegex(shown, r"(?m)^Not tried  .*  failed\n  the address is on the suppression list of the account$")
        self.assertNotIn("Attempt ", shown)
        self.check_attempts([1, 1])
        notices = [notice.as_string() for notice in mailbox.Maildir(self.suite.folder / "state/mail/app").wait(2)]
        self.assertIn("suppression list", notices[1])
        for line in ("Last tried: ", "Last-Attempt-Date: "):
            self.assertEqual([line in notice for notice in notices], [True, False])
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
        with capture.Capture() as link:
            full = self.send("full@example.org")
            self.assertEqual(self.told(full, 1), [("suppressed", False, False, 0, "")])
        self.assertEqual(link.connections(25), 0)
        self.assertEqual(self.names(full, "suppressed"), ["accepted", "suppressed"])
        for _ in range(4):
            policy = self.send("policy@example.org")
            self.assertEqual(self.told(policy, 1), [("failed", False, False, 550, "5.7.1")])
            self.assertEqual(self.names(policy, "failed"), ["accepted", "failed"])
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
        self.assertEqual([(one["Event"], one["DSN"], one["Suppressing"], one["SMTPCode"])
                          for one in self.events(sent, ("failed", True))],
                         [("accepted", False, False, 0), ("delivered", False, False, 250), ("failed", True, True, 550)])
        # By way of an address that is forwarded there.
        events = self.told(self.send("list@example.net"), 2)
        self.assertEqual([one[:2] for one in events], [("delivered", False), ("failed", True)])
        self.assertEqual(sorted(self.listed()), ["late@example.net", "list@example.net"])
        self.assertEqual([one for one in self.hooks.requests if one.path == "/in"], [])
        self.suite.stop()

    def test_bounces_of_sendmail_and_of_opensmtpd(self):
        hosts = {"example.edu": self.lan.host("sm", software=["sendmail"]), "example.info": self.lan.host("osmtpd", software=["opensmtpd"])}
        self.dns.stop()
        self.dns.zones += [dnszone.Zone(name).mx("@", 10, "mx").address("mx", host.v4) for name, host in hosts.items()]
        self.dns.start()
        self.lan.resolve_through(self.dns.host)
        sendmail.Sendmail(hosts["example.edu"], ["example.edu"], ["someone@example.edu"]).start()
        opensmtpd.OpenSmtpd(hosts["example.info"], settings=f'action "on" relay host smtp://{self.late.host.v4}\n'
                            'match from any for domain "example.info" action "on"').start()
        # The one has a status and no reply; the other a reply in its text alone.
        for to, code, enhanced in (("nobody@example.edu", 500, "5.1.1"), ("gone@example.info", 550, "5.1.1")):
            self.assertEqual(self.told(self.send(to), 2), [("delivered", False, False, 0, ""), ("failed", True, True, code, enhanced)])
        self.assertEqual(sorted(self.listed()), ["gone@example.info", "nobody@example.edu"])
        self.suite.stop()

    def test_a_bounce_of_exim_s_own(self):
        sent = self.send("nobody@example.com")
        self.assertEqual(self.told(sent, 2), [("delivered", False, False, 0, ""), ("failed", True, True, 550, "5.1.1")])
        self.assertEqual(list(self.listed()), ["nobody@example.com"])
        bounce = mailbox.Maildir(self.suite.folder / "state/mail/app").wait(1)[0].as_string()
        self.assertIn("created automatically by mail delivery software", bounce)  # as Exim says
        self.suite.stop()

    def test_what_is_put_off_first(self):
        self.suite.write_config(self.config(attempts=2))
        self.suite.qmctl("reload")
        later = self.send("later@example.org")
        self.assertEqual(self.told(later, 1), [("delayed", False, False, 450, "4.2.1")])
        self.suite.qmctl("queue", "kick", "--all")
        self.assertEqual(self.told(later, 2), [("delayed", False, False, 450, "4.2.1"), ("failed", False, False, 450, "4.2.1")])
        self.assertEqual([one["Event"] for one in self.events(later, ("failed", False))], ["accepted", "delayed", "failed"])
        # A mailbox that is full, by the code for that which is none for ever.
        for number in (1, 2, 3):
            sent = self.send("crowded@example.org")
            self.told(sent, 1)
            self.suite.qmctl("queue", "kick", "--all")
            self.assertEqual(self.told(sent, 2), [("delayed", False, False, 452, "4.2.2"), ("failed", False, number == 3, 452, "4.2.2")])
        self.assertEqual(self.listed(), {"crowded@example.org": (
            "full", "delivery failure from queue and three consecutive failures")})
        self.suite.stop()

    def test_what_else_comes_back(self):
        sent = self.send("someone@example.net")
        to = f"app+{sent['FromID']}@us.test"
        self.told(sent, 1)
        wanted = [("delivered", False, False, 0, "")]
        for report, event in (("relayed", ("relayed", True, False, 250, "2.1.9")), ("expanded", ("expanded", True, False, 0, "")),
                              ("delivered", ("delivered", True, False, 250, "2.1.5")), ("bogus-action", ("unrecognized", True, False, 0, "")),
                              ("vacation", ("unrecognized", False, False, 0, ""))):
            with self.subTest(report):
                self.come_back(to, report)
                wanted.append(event)
                self.assertEqual(self.told(sent, len(wanted)), wanted)
        self.assertEqual([(one["Event"], one["DSN"]) for one in self.events(sent, ("unrecognized", False))],
                         [("accepted", False), *(one[:2] for one in wanted)])
        self.assertEqual(self.listed(), {})
        self.suite.stop()

    def test_a_name_of_the_client_s_own_in_the_sender(self):
        self.submit("someone@example.net", "app+order-7@us.test", "X-Mox-Extra-order: 7\r\nX-Quartermaster-Extra-Who: me\r\n")
        self.hooks.wait(1)
        delivered = self.hooks.requests[0].json()
        extra = {"Order": "7", "Who": "me"}
        self.assertEqual((delivered["Event"], delivered["FromID"], delivered["Extra"]), ("delivered", "order-7", extra))
        self.come_back("app+order-7@us.test", "postfix")
        failed = self.hooks.wait(2)[1].json()
        self.assertEqual((failed["Event"], failed["SMTPCode"]), ("failed", 550))
        self.assertEqual((failed["DSN"], failed["Suppressing"], failed["FromID"], failed["Extra"]), (True, False, "order-7", extra))
        told = self.events(delivered, ("failed", True))
        self.assertEqual([(one["Event"], one["Extra"]) for one in told],
                         [("accepted", extra), ("delivered", extra), ("failed", extra)])
        self.assertEqual(self.listed(), {})  # anybody could have guessed it
        self.suite.stop()

    def test_so_much_a_day_at_submission(self):
        self.assertEqual(self.submit("someone@example.net", "small@us.test", account="small"), {})
        for to, said in (("another@example.net", b"new recipients"), ("someone@example.net", None), ("someone@example.net", b"messages")):
            with self.subTest(to):
                if said is None:
                    self.submit(to, "small@us.test", account="small")
                    continue
                with self.assertRaises(smtplib.SMTPDataError) as refused:
                    self.submit(to, "small@us.test", account="small")
                self.assertEqual(refused.exception.smtp_code, 451)
                self.assertRegex(refused.exception.smtp_error, b"4.7.1 the account has .*" + said)
        self.mx.mailbox("someone@example.net").wait(2)
        self.suite.stop()

    def test_an_account_that_nobody_logs_in_to(self):
        for login, password, said in ((client.plain, "secret", (525, b"5.7.13")), (client.plain, "wrong", (535, b"5.7.8")),
                                      (client.scram, "secret", (525, b"5.7.13")), (client.scram, "wrong", (535, b"5.7.8"))):
            with self.subTest(login, password=password), client.connect(self.us.v4, 587) as smtp:
                with self.assertRaises(smtplib.SMTPAuthenticationError) as refused:
                    login(smtp, "shut@us.test", password)
                self.assertEqual((refused.exception.smtp_code, refused.exception.smtp_error.split()[0]), said)
        client.send(self.us.v4, 25, "a@example.net", ["shut@us.test"], client.message("shut@us.test", "token"))
        mailbox.Maildir(self.suite.folder / "state/mail/shut").wait(1)
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
