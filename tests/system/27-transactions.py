"""What one transaction carries to a server: to how many, in which form, and in how many transactions all of them."""

from harness import api, case, client, dnszone, dsn, mailbox, smtpsink, suite, wait

CONFIG = """
hostname mx.us.test
listen public { address 192.0.2.1  smtp 25  submission 587  require-tls-for-auth no }
domain us.test { }
account ann { address ann@us.test }
dns { server 192.0.2.53:53  timeout 500ms  tries 2 }
queue { first-retry 1s }
"""


class Transactions(case.LanCase):
    def start(self, zone, more=""):
        dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), [zone]).start()
        self.us = self.lan.host("us", 1)
        self.suite = suite.Suite(CONFIG + more, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        self.inbox = mailbox.Maildir(self.suite.folder / "state/mail/ann")

    def submit(self, recipients, octets, options=()):
        with client.connect(self.us.v4, 587) as smtp:
            client.plain(smtp, "ann@us.test", "secret")
            smtp.command_encoding = "utf-8"
            smtp.mail("ann@us.test", options)
            for one in recipients:
                self.assertEqual(smtp.rcpt(one)[0], 250)
            self.assertEqual(smtp.data(octets)[0], 250)

    def wait_empty(self):
        wait.until(lambda: self.suite.qmctl("status")["queue"]["messages"] == 0, 60,
                   lambda: f"an empty queue: {self.suite.qmctl('status')['queue']}")

    def test_an_address_of_one_domain_does_not_ask_smtputf8_of_another(self):
        zone = dnszone.Zone("p.test").mx("old", 10, "old-mx").mx("new", 10, "new-mx")
        zone.address("old-mx", "192.0.2.2").address("new-mx", "192.0.2.3")
        old = smtpsink.SmtpSink(self.lan.host("old", 2), 25, extensions=["PIPELINING"])
        new = smtpsink.SmtpSink(self.lan.host("new", 3), 25, extensions=["PIPELINING", "8BITMIME", "SMTPUTF8"])
        self.addCleanup(old.close)
        self.addCleanup(new.close)
        self.start(zone)
        self.submit(["a@old.p.test", "gr\u00fcn@old.p.test", "gr\u00fcn@new.p.test"],
                    client.message("a@old.p.test", "both", sender="ann@us.test"), ["SMTPUTF8"])
        self.inbox.wait(1)
        self.wait_empty()
        self.assertEqual([mail.recipients for mail in old.mails], [["<a@old.p.test>"]])
        self.assertEqual([mail.recipients for mail in new.mails], [["<gr\u00fcn@new.p.test>"]])
        self.assertTrue(new.mails[0].sender.endswith(" SMTPUTF8"), new.mails[0].sender)
        octets, = self.inbox.raw()
        one, = dsn.parse(octets).recipients
        self.assertEqual((one["action"], one["status"].split()[0]), ("failed", "5.6.7"))
        self.suite.stop()

    def test_smtputf8_that_nothing_needs_goes_no_further(self):
        zone = dnszone.Zone("p.test").mx("new", 10, "new-mx").address("new-mx", "192.0.2.3")
        new = smtpsink.SmtpSink(self.lan.host("new", 3), 25, extensions=["PIPELINING", "8BITMIME", "SMTPUTF8"])
        self.addCleanup(new.close)
        self.start(zone)
        self.submit(["a@new.p.test"], client.message("a@new.p.test", "plain", sender="ann@us.test"), ["SMTPUTF8"])
        new.wait(1)
        self.assertEqual(new.mails[0].sender, "<ann@us.test>")
        self.suite.stop()


if __name__ == "__main__":
    case.main()
