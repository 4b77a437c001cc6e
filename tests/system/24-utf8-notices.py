"""Notices about mail that needs SMTPUTF8 (RFC 6533), to senders whose servers have it and to those whose have not."""

from harness import api, case, client, dnszone, dsn, mailbox, postfix, smtpsink, suite

CONFIG = """
hostname mx.us.test
listen public { address 192.0.2.1  submission 587  require-tls-for-auth no }
domain us.test { }
domain new.test { }
domain old.test { }
account ann { address ann@us.test postmaster@us.test }
account bob { address *@new.test *@old.test  mailbox no }
postmaster postmaster@us.test
queue { first-retry 1h  double-bounces yes }
deliver { allow-private yes }
"""
REPLY = "550-5.1.1 Wir kennen\n550 5.1.1 <gr\u00fcn> nicht"
GREEN = "gr\u00fcn%d@there.test"  # one that failed before is not tried again


class Utf8Notices(case.LanCase):
    def start(self):
        zones = []
        self.peers = {}
        for number, (name, settings) in enumerate((("new", {}), ("old", {"smtputf8_enable": "no"})), 2):
            self.peers[name] = postfix.Postfix(self.lan.host(name, number, software=["postfix"]), [f"{name}.test"], settings=settings)
            self.peers[name].start()
            zones.append(dnszone.Zone(f"{name}.test").mx("@", 10, "mx").address("mx", self.peers[name].host.v4))
        there = smtpsink.SmtpSink(self.lan.host("there", 4), 25, extensions=["PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"],
                                  script={"RCPT": REPLY})
        self.addCleanup(there.close)
        zones.append(dnszone.Zone("there.test").mx("@", 10, "mx").address("mx", there.address))
        self.us = self.lan.host("us", 1)
        self.lan.resolve_through(dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), zones).start().host)
        self.suite = suite.Suite(CONFIG, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret", "bob": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())

    def submit(self, sender, recipient, header=""):
        login = "ann@us.test" if sender.endswith("us.test") else "bob@new.test"
        octets = client.message("somebody@there.test", "m", sender=login, extra=header)
        with client.connect("192.0.2.1", 587) as smtp:
            client.plain(smtp, login, "secret")
            smtp.command_encoding = "utf-8"
            self.assertEqual(smtp.mail(sender, ["SMTPUTF8"])[0], 250)
            self.assertEqual(smtp.rcpt(recipient)[0], 250)
            self.assertEqual(smtp.data(octets)[0], 250)

    def notice(self, box, count):
        """The last of so many in a mailbox, whatever it is in, and its octets."""
        box.wait(count)
        octets = box.raw()[-1]
        return dsn.parse(octets), octets

    def check(self, notice, octets, utf8, recipient):
        form = ["message/global-delivery-status", "message/global-headers"] if utf8 else ["message/delivery-status", "text/rfc822-headers"]
        self.assertEqual([part.get_content_type() for part in notice.message.iter_parts()], ["text/plain", *form])
        one, = notice.recipients
        self.assertEqual((one["action"], one["status"].split()[0], one["final-recipient"]), ("failed", "5.1.1", recipient))
        name = "gr\u00fcn" if utf8 else r"gr\xC3\xBCn"
        self.assertEqual(one["diagnostic-code"], f"smtp; 550-5.1.1 Wir kennen 550 5.1.1 <{name}> nicht")
        self.assertEqual(octets.isascii(), not utf8)

    def test_a_sender_is_told_in_the_form_that_reaches_him(self):
        self.start()
        inbox = mailbox.Maildir(self.suite.folder / "state/mail/ann")
        new, old = (self.peers[name].mailbox() for name in ("new", "old"))
        plain, escaped, whole = "rfc822; b%d@there.test", r"utf-8; gr\x{FC}n%d@there.test", "utf-8; " + GREEN
        # Whoever has an address in UTF-8 has a server that takes such mail, and programs that read it.
        self.submit("bj\u00f6rn@new.test", GREEN % 1)
        self.check(*self.notice(new, 1), True, whole % 1)
        self.submit("bj\u00f6rn@new.test", "b2@there.test")
        self.check(*self.notice(new, 2), True, plain % 2)
        # Of others nothing is known, and not asked: what all can read says the same.
        self.submit("bob@new.test", GREEN % 3)
        self.check(*self.notice(new, 3), False, escaped % 3)
        self.submit("bob@old.test", GREEN % 4)
        self.check(*self.notice(old, 1), False, escaped % 4)
        self.submit("bob@old.test", "b5@there.test", "X-Color: gr\u00fcn\r\n")
        notice, octets = self.notice(old, 2)
        self.check(notice, octets, False, plain % 5)
        self.assertEqual(notice.returned.get_content_charset(), "utf-8")
        self.assertIn("X-Color: gr\u00fcn", notice.returned.get_content())
        # A mailbox of ours reads them.
        self.submit("ann@us.test", GREEN % 6)
        self.check(*self.notice(inbox, 1), True, whole % 6)
        # One that cannot be told at all: the postmaster is.
        self.submit("bj\u00f6rn@old.test", GREEN % 7)
        notice, _ = self.notice(inbox, 2)
        one, = notice.recipients
        self.assertEqual((one["status"].split()[0], one["final-recipient"]), ("5.6.7", "utf-8; bj\u00f6rn@old.test"))
        self.assertEqual(notice.message["To"], "postmaster@us.test")
        self.assertIn("the server does not take SMTPUTF8, which an address needs", notice.text)
        self.assertEqual((len(new.files()), len(old.files())), (3, 2))
        self.suite.stop()


if __name__ == "__main__":
    case.main()
