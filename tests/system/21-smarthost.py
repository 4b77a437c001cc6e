"""Mail for very many destinations that all goes to one server: when that is down it is tried as one place."""

from harness import api, case, client, smtpsink, suite, wait

DOMAINS = 10000 if case.LONG else 1000
EACH = 100  # recipients of a message, each in a domain of its own
CONFIG = """
hostname us.test
test-clock yes
listen public { address 192.0.2.1  submission 587  require-tls-for-auth no }
domain us.test { }
account ann { address ann@us.test }
transport relay { smtp { host 192.0.2.2  tls none } }
route { transport relay }
queue { first-retry 90s  retry-jitter 0 }
"""


class Smarthost(case.LanCase):
    def setUp(self):
        super().setUp()
        us = self.lan.host("us", 1)
        self.sink = smtpsink.SmtpSink(self.lan.host("smarthost", 2), 25)
        self.addCleanup(self.sink.close)
        self.suite = suite.Suite(CONFIG, host=us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        self.recipients = [f"b@d{n}.example" for n in range(DOMAINS)]

    def submit_all(self):
        with client.connect("192.0.2.1", 587) as smtp:
            client.plain(smtp, "ann@us.test", "secret")
            for at in range(0, DOMAINS, EACH):
                smtp.sendmail("ann@us.test", self.recipients[at:at + EACH],
                              client.message("all@example", f"part{at}", sender="ann@us.test"))

    def attempts_over(self, number):
        """Waits until every recipient has been put off so often."""
        wait.until(lambda: self.suite.log_path.read_text().count(' m="deferred" ') == number * DOMAINS, 90,
                   lambda: f"attempt {number} of all: {self.suite.qmctl('status')['queue']}")

    def test_one_that_is_down_is_tried_now_and_then_and_gets_all_when_it_is_back(self):
        self.sink.script("CONNECT", smtpsink.Reply("421 4.3.2 down for today", drop=True))
        self.submit_all()
        self.attempts_over(1)
        tried = len(self.sink.sessions)
        self.assertIn(tried, range(4, 9))  # the first few at once, then ever fewer
        line, = self.suite.find_log(m="server of a transport suspended")
        self.assertEqual((line["transport"], line["host"]), ("relay", "192.0.2.2"))
        waits = 90
        for number in (2, 3):
            self.suite.qmctl("clock", "step", (waits + 20) * 1000)
            self.attempts_over(number)
            tried += 1
            self.assertEqual(len(self.sink.sessions), tried)
            waits *= 2
        row, = self.suite.qmctl("queue", "list", "--to", self.recipients[-1])
        self.assertEqual(row["attempts"], 3)
        self.assertIn("delivery temporarily suspended: 421 4.3.2 down for today", str(row))
        self.sink.script("CONNECT")
        self.suite.qmctl("clock", "step", (waits + 20) * 1000)
        wait.until(lambda: self.suite.qmctl("status")["queue"]["messages"] == 0, 120, "an empty queue")
        taken = [recipient for mail in self.sink.mails for recipient in mail.recipients]
        self.assertEqual(sorted(taken), sorted(f"<{recipient}>" for recipient in self.recipients))
        self.suite.stop()


if __name__ == "__main__":
    case.main()
