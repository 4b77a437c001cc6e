"""What one account or one destination has in the queue, however much, delays another's mail by its share alone."""

from harness import api, case, client, dnszone, smtpsink, suite, wait

MANY = 5000 if case.LONG else 1000
TAKES = 0.3  # seconds that the busy server takes for a message
CONNECTIONS = 4
CONFIG = """
hostname us.test
listen public { address 192.0.2.1  submission 587  require-tls-for-auth no }
domain us.test { }
account ann { address ann@us.test }
account bob { address bob@us.test }
dns { server 192.0.2.53:53  timeout 500ms  tries 2 }
smtp { transactions 10000 }
"""
NARROW = "transport relay { smtp { host 192.0.2.2  tls none  connections %d } }\nroute { transport relay }\n" % CONNECTIONS


class Fairness(case.LanCase):
    def start(self, more=""):
        zone = dnszone.Zone("busy.test").mx("@", 10, "mx").address("mx", "192.0.2.2")
        other = dnszone.Zone("other.test").mx("@", 10, "mx").address("mx", "192.0.2.3")
        dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), [zone, other]).start()
        self.us = self.lan.host("us", 1)
        self.busy = smtpsink.SmtpSink(self.lan.host("busy", 2), 25)
        self.busy.script("DATA-END", smtpsink.Reply("250 2.0.0 taken", delay=TAKES))
        self.other = smtpsink.SmtpSink(self.lan.host("other", 3), 25)
        self.addCleanup(self.busy.close)
        self.addCleanup(self.other.close)
        self.suite = suite.Suite(CONFIG + more, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret", "bob": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())

    def send(self, name, recipients):
        """A message for each, over one connection."""
        sender = f"{name}@us.test"
        with client.connect(self.us.v4, 587) as smtp:
            client.plain(smtp, sender, "secret")
            for one in recipients:
                smtp.sendmail(sender, [one], client.message(one, "x", sender=sender))

    def overtaken(self, recipient, sink):
        """How many messages of the other account the busy server takes until bob's to this one is there."""
        before = len(self.busy.mails)
        self.send("bob", [recipient])
        wait.until(lambda: any(f"<{recipient}>" in mail.recipients for mail in sink.mails), 60, f"bob's to {recipient}")
        behind = self.busy.mails if sink is self.other else self.busy.mails[:self.place(recipient)]
        return len(behind) - before

    def place(self, recipient):
        """In the order in which the busy server took them."""
        taken = sorted(self.busy.mails, key=lambda mail: mail.at)
        return [f"<{recipient}>" in mail.recipients for mail in taken].index(True)

    def left(self):
        return self.suite.qmctl("status")["queue"]["messages"]

    def test_a_busy_destination_delays_no_other_and_nobody_s_first_there(self):
        self.start()
        self.send("ann", [f"u{n}@busy.test" for n in range(MANY)])
        for n in range(5):
            self.assertLessEqual(self.overtaken(f"b{n}@other.test", self.other), 20)
        for n in range(5):
            self.assertLessEqual(self.overtaken(f"b{n}@busy.test", self.busy), 40)
        self.assertGreater(self.left(), 50)

    def test_an_account_s_many_destinations_delay_another_s_by_a_turn(self):
        self.start(NARROW)
        self.send("ann", [f"u@d{n}.test" for n in range(MANY)])
        for n in range(5):
            self.assertLessEqual(self.overtaken(f"b@e{n}.test", self.busy), 3 * CONNECTIONS)
        self.assertGreater(self.left(), 50)


if __name__ == "__main__":
    case.main()
