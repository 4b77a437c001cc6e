"""Mail for very many destinations that all goes to one server: when that is down it is tried as one place."""

import ssl

from harness import api, case, certs, client, smtpsink, suite, wait

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


# Two ways to one server, which differ in all that a connection has of its own.
TWO_WAYS = """
hostname us.test
listen public { address 192.0.2.1  submission 587  require-tls-for-auth no }
domain us.test { }
account ann { address ann@us.test }
transport red { smtp { host 192.0.2.2  tls none  ehlo-name red.us.test  source-address 192.0.2.11  connections 3 } }
transport blue { smtp { host 192.0.2.2  tls opportunistic  ehlo-name blue.us.test  source-address 192.0.2.12  connections 3 } }
route { to .red.example  transport red }
route { transport blue }
"""


class Smarthost(case.LanCase):
    def start(self, config, **options):
        us = self.lan.host("us", 1, more=["192.0.2.11/24", "192.0.2.12/24"])
        self.sink = smtpsink.SmtpSink(self.lan.host("smarthost", 2), 25, **options)
        self.addCleanup(self.sink.close)
        self.suite = suite.Suite(config, host=us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())

    def submit_all(self):
        self.recipients = [f"b@d{n}.example" for n in range(DOMAINS)]
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
        self.start(CONFIG)
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

    def test_connections_of_two_transports_to_one_server_stay_apart(self):
        cert, key = certs.Authority(self.lan.work / "ca").issue("smarthost", "smarthost.test")
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(cert, key)
        self.start(TWO_WAYS, tls=tls, extensions=["PIPELINING", "STARTTLS"])
        with client.connect("192.0.2.1", 587) as smtp:
            client.plain(smtp, "ann@us.test", "secret")
            for n in range(60):
                to = f"b@d{n}.{('red', 'blue')[n % 2]}.example"
                smtp.sendmail("ann@us.test", [to], client.message(to, f"m{n}", sender="ann@us.test"))
        self.sink.wait(60)
        used = [session for session in self.sink.sessions if session.mails]
        self.assertLess(len(used), 20)  # many messages over each
        for session in used:
            way = {"192.0.2.11": "red", "192.0.2.12": "blue"}[session.peer]
            self.assertEqual({line for line in session.lines if line.startswith("EHLO")}, {f"EHLO {way}.us.test"})
            for mail in session.mails:
                self.assertIn(f".{way}.example", mail.recipients[0])
                self.assertEqual(mail.tls is None, way == "red")
        wait.until(lambda: self.suite.qmctl("status")["queue"]["messages"] == 0, what="an empty queue")
        self.suite.stop()


if __name__ == "__main__":
    case.main()
