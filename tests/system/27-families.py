"""Hosts with an IPv4 and an IPv6 address: which is used, and what a refusal over one of them means."""

import uuid

from harness import api, capture, case, client, dnszone, exim, mailbox, postfix, smtpsink, suite

CONFIG = """
hostname us.test
listen public { address 192.0.2.1  smtp 25  submission 587  require-tls-for-auth no }
domain us.test { }
account ann { address ann@us.test  mailbox yes }
queue { first-retry 2s  retry-jitter 0  attempts 30  destination-pause 1s }
deliver { connect-timeout 5s  idle-timeout 0  %s }
%s
"""
SOURCES = """
hostname us.test
listen public { address 192.0.2.1  submission 587  require-tls-for-auth no }
listen mx { address %s  smtp 25 }
domain us.test { }
account ann { address ann@us.test }
deliver { idle-timeout 0  %s }
"""
# Without a name for the address: 550 5.7.25, at each RCPT.
STRICT = {"smtpd_peername_lookup": "yes", "unknown_client_reject_code": "550",
          "smtpd_client_restrictions": "reject_unknown_reverse_client_hostname"}
# As it is when nothing is set: 450 4.7.1.
PUTS_OFF = {**STRICT, "unknown_client_reject_code": "450"}


class Families(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1)
        self.v4 = dnszone.reverse_zone().pointer(self.us.v4, "us.test.")
        self.v6 = dnszone.reverse_zone("2001:db8::/64")  # has no name for us
        self.zones = [self.v4, self.v6]

    def host(self, name, software, families="46"):
        host = self.lan.host(name, software=[software])
        addresses = [host.v4] * ("4" in families) + [host.v6] * ("6" in families)
        self.zones.append(dnszone.Zone(f"{name}.test").mx("@", 10, "mx").address("mx", *addresses))
        return host

    def peer(self, name, families="46", **settings):
        return postfix.Postfix(self.host(name, "postfix", families), [f"{name}.test"], settings=settings).start()

    def start(self, deliver="", more=""):
        self.lan.resolve_through(dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), self.zones).start().host)
        self.suite = suite.Suite(CONFIG % (deliver, more), host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        self.inbox = mailbox.Maildir(self.suite.folder / "state/mail/ann")

    def submit(self, *to):
        with client.connect("192.0.2.1", 587) as smtp:
            client.plain(smtp, "ann@us.test", "secret")
            smtp.sendmail("ann@us.test", to, client.message(to[0], uuid.uuid4().hex, sender="ann@us.test"))

    def sixes(self, link):
        return [one.target for one in link.openings(25) if one.source[0] == self.us.v6]

    def fours(self, link):
        return [one.target for one in link.openings(25) if one.source[0] == self.us.v4]

    def test_a_host_that_wants_a_name_for_our_address_gets_mail_over_the_other(self):
        peer = self.peer("b", **STRICT)
        self.start()
        with capture.Capture() as link:
            self.submit("x@b.test", "y@b.test")
            self.suite.wait_log(m="delivered", count=2)
            self.submit("z@b.test")
            self.suite.wait_log(m="delivered", count=3)
        peer.mailbox().wait(3)
        # One connection that was refused, for both recipients; the next message knows.
        self.assertEqual((len(self.sixes(link)), len(self.fours(link))), (1, 2))
        self.assertEqual(peer.log().count("reject: RCPT"), 2)
        self.assertEqual(self.inbox.files(), [])
        self.suite.stop()

    def test_a_host_that_puts_it_off_for_want_of_a_name_gets_mail_over_the_other(self):
        peer = self.peer("b", **PUTS_OFF)
        self.start()
        with capture.Capture() as link:
            self.submit("x@b.test")
            self.suite.wait_log(m="delivered")
            self.submit("y@b.test")
            self.suite.wait_log(m="delivered", count=2)
        peer.mailbox().wait(2)
        # The same family once more, as it might be greylisting; then the other, and the next message knows.
        self.assertEqual((len(self.sixes(link)), len(self.fours(link))), (2, 2))
        self.assertEqual(peer.log().count("450 4.7.1 Client host rejected"), 2)
        self.assertEqual(self.inbox.files(), [])
        self.suite.stop()

    def test_no_enhanced_code_is_needed_for_that(self):
        host = self.host("b", "exim")
        peer = exim.Exim(host, ["b.test"], rcpt_rules=f"  deny hosts = <; {self.us.v6}\n"
                         "       message = rejected because $sender_host_address is in a black list\n").start()
        self.start()
        with capture.Capture() as link:
            self.submit("x@b.test")
            self.suite.wait_log(m="delivered")
        peer.mailbox().wait(1)
        self.assertEqual((len(self.sixes(link)), len(self.fours(link))), (1, 1))
        self.assertIn(b"\r\n550 rejected because", link.stream(from_port=25))
        self.suite.stop()

    def test_refused_over_both_mail_comes_back_once(self):
        peer = self.peer("b", **STRICT)
        self.v4.drop("1.2.0.192.in-addr.arpa.", "PTR")
        self.start()
        self.submit("x@b.test")
        notice, = self.inbox.wait(1)
        self.assertIn(f"cannot find your reverse hostname, [{self.us.v4}]", notice.as_string())
        self.assertEqual(peer.log().count("reject: RCPT"), 2)
        self.assertEqual(self.suite.wait_log(m="failed")["code"], "550")
        self.suite.stop()

    def test_a_family_that_is_left_out_is_never_connected_to(self):
        self.peer("b"), self.peer("c"), self.peer("six", "6")
        self.start("ip-family 4")
        with capture.Capture() as link:
            self.submit("x@b.test")
            self.submit("x@c.test")
            self.suite.wait_log(m="delivered", count=2)
            self.submit("x@six.test")
            line = self.suite.wait_log(m="deferred")
        self.assertEqual((line["code"], line["why"]), ("0", "mx.six.test has no IPv4 address"))
        self.assertEqual((len(self.sixes(link)), len(self.fours(link))), (0, 2))
        self.suite.kill()

    def test_it_can_be_left_out_for_one_destination(self):
        b, c = self.peer("b"), self.peer("c")
        self.start("", "transport four { direct { ip-family 4 } }\nroute { to b.test  transport four }\n")
        with capture.Capture() as link:
            self.submit("x@b.test")
            self.submit("x@c.test")
            self.suite.wait_log(m="delivered", count=2)
        self.assertEqual(self.sixes(link), [(c.host.v6, 25)])
        self.assertEqual(self.fours(link), [(b.host.v4, 25)])
        self.suite.stop()

class Sources(case.LanCase):
    """Where mail comes from, on a machine that has two addresses of each family."""

    def sources(self, listening, deliver=""):
        us, peer = self.lan.host("us", 1, more=["192.0.2.11/24", "2001:db8::11/64"]), self.lan.host("b", 2)
        sinks = [smtpsink.SmtpSink(peer, 25, address) for address in (peer.v4, peer.v6)]
        for sink in sinks:
            self.addCleanup(sink.close)
        mta = suite.Suite(SOURCES % (listening, deliver), host=us)
        mta.add_file("state/credentials", api.credentials({"ann": "secret"}))
        mta.start()
        self.addCleanup(lambda: mta.process and mta.kill())
        with client.connect("192.0.2.1", 587) as smtp:
            client.plain(smtp, "ann@us.test", "secret")
            smtp.sendmail("ann@us.test", [f"x@[{peer.v4}]", f"x@[IPv6:{peer.v6}]"],
                          client.message("x", "one", sender="ann@us.test"))
        mta.wait_log(m="delivered", count=2)
        mta.stop()
        return [sink.sessions[0].peer for sink in sinks]

    def test_mail_leaves_from_where_mail_is_taken(self):
        self.assertEqual(self.sources("192.0.2.11 2001:db8::1 127.0.0.1"), ["192.0.2.11", "2001:db8::1"])

    def test_of_two_addresses_where_mail_is_taken_none_is_meant(self):
        self.assertEqual(self.sources("192.0.2.1 192.0.2.11 2001:db8::1"), ["192.0.2.1", "2001:db8::1"])

    def test_the_operator_has_the_last_word_on_it(self):
        self.assertEqual(self.sources("192.0.2.11 2001:db8::1", "source-address 0.0.0.0 2001:db8::11"),
                         ["192.0.2.1", "2001:db8::11"])


if __name__ == "__main__":
    case.main()
