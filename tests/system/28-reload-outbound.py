"""Routes and transports that change while mail goes out: each message once, no connection cut, and the new way from then on."""

import collections

from harness import api, case, client, dnszone, smtpsink, suite, wait

CONFIG = """
hostname us.test
listen public { address 192.0.2.1  submission 587  require-tls-for-auth no }
domain us.test { }
account ann { address ann@us.test }
smtp { transactions 10000 }
deliver { connections 4  tls none }
%s
"""
RELAY = "transport relay { smtp { host %s  tls none  connections 4  %s } }\nroute { transport relay }"
OTHER = "transport other { smtp { host 192.0.2.2  tls none  connections 4 } }\nroute { to p.test  transport other }"
# What is configured, and which server mail goes to by it: another server, another setting, another name, no smarthost at all.
WAYS = [(RELAY % ("192.0.2.2", ""), "old"), (RELAY % ("192.0.2.3", ""), "new"), (RELAY % ("192.0.2.2", "ehlo-name changed.us.test"), "old"),
        (OTHER, "old"), ("", "new"), (RELAY % ("192.0.2.2", ""), "old")]
EACH = 24


class Reload(case.LanCase):
    def sink(self, name, number):
        sink = smtpsink.SmtpSink(self.lan.host(name, number), 25)
        self.addCleanup(sink.close)
        sink.script("DATA-END", smtpsink.Reply("250 2.0.0 Ok", delay=0.1))
        return sink

    def submit(self, subject):
        self.smtp.sendmail("ann@us.test", ["b@p.test"], client.message("b@p.test", subject, sender="ann@us.test"))
        self.sent.append(subject)

    def subjects(self, *names):
        return [mail.data.split(b"Subject: ")[1].split(b"\r\n")[0].decode() for name in names for mail in self.sinks[name].mails]

    def under_way(self):
        return any(mail.accepted is False for sink in self.sinks.values() for mail in sink.mails)

    def test_each_message_goes_out_once_and_by_the_way_that_holds(self):
        us = self.lan.host("us", 1)
        self.sinks, self.sent = {"old": self.sink("old", 2), "new": self.sink("new", 3)}, []
        zone = dnszone.Zone("p.test").mx("@", 10, "mx").address("mx", "192.0.2.3")
        dns = dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), [zone]).start()
        self.lan.resolve_through(dns.host)
        self.suite = suite.Suite(CONFIG % WAYS[0][0], host=us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        with client.connect("192.0.2.1", 587) as self.smtp:  # the same one over all of it
            client.plain(self.smtp, "ann@us.test", "secret")
            for stage, (config, name) in enumerate(WAYS):
                if stage:
                    wait.until(self.under_way, what="mail under way")
                    self.suite.write_config(CONFIG % config)
                    self.suite.qmctl("reload")
                for number in range(EACH):
                    self.submit(f"m{stage}-{number}")
                wait.until(lambda: len(self.subjects(*self.sinks)) >= len(self.sent) - EACH // 2, 30, "the most of it")
        wait.until(lambda: self.suite.qmctl("status")["queue"]["messages"] == 0, 30, "an empty queue")
        taken = collections.Counter(self.subjects(*self.sinks))
        self.assertEqual({one: count for one, count in taken.items() if count != 1}, {})
        self.assertEqual(set(taken), set(self.sent))
        self.assertEqual(self.suite.find_log(m="deferred"), [])
        for stage, (_, name) in enumerate(WAYS):
            came = [one for one in self.subjects(name) if one.startswith(f"m{stage}-")]
            # What was still in the queue at the next change may have gone the next way.
            self.assertGreaterEqual(len(came), EACH if stage == len(WAYS) - 1 else EACH // 2, f"by way {stage}")
        self.assertTrue([one for one in self.sinks["old"].sessions if one.mails and "EHLO changed.us.test" in one.lines])
        for sink in self.sinks.values():
            self.assertEqual([one.lines[-1:] for one in sink.sessions if one.ended and one.lines[-1:] != ["QUIT"]], [])
        self.suite.stop()


if __name__ == "__main__":
    case.main()
