"""The ground under every other system test: real peers in namespaces, without the suite."""

import uuid

from harness import case, dnsquery, dnszone, postfix


def message(token):
    return (f"From: sender@example.org\nTo: someone@example.net\nSubject: {token}\n"
            f"Message-ID: <{token}@example.org>\n\nLine one\n.Line two\n")


class Peers(case.LanCase):
    def name_server(self, *zones):
        dns = dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), zones).start()
        self.lan.resolve_through(dns.host)
        return dns

    def test_postfix_finds_postfix_by_its_mx(self):
        mx_host = self.lan.host("mx", software=["postfix"])
        out_host = self.lan.host("out", software=["postfix"])
        zone = dnszone.Zone("example.net").mx("@", 10, "mx").address("mx", mx_host.v4, mx_host.v6)
        self.name_server(zone)
        receiver = postfix.Postfix(mx_host, domains=["example.net"],
                                   mailboxes=["someone@example.net"]).start()
        sender = postfix.Postfix(out_host).start(port=None)
        token = uuid.uuid4().hex
        sender.send("sender@example.org", ["someone@example.net"], message(token))
        got, = receiver.mailbox("someone@example.net").wait()
        self.assertEqual(got["Subject"], token)
        self.assertEqual(got["Return-Path"], "<sender@example.org>")
        self.assertEqual(got.get_content(), "Line one\n.Line two\n")
        self.assertIn("from out.test", got["Received"])
        sender.wait_log("status=sent (250 2.0.0 Ok: queued as")
        self.assertIn("Mail queue is empty", sender.queue())

    def test_postfix_keeps_what_it_cannot_deliver(self):
        out_host = self.lan.host("out", software=["postfix"])
        zone = dnszone.Zone("example.net").mx("@", 10, "mx").address("mx", "192.0.2.99")
        self.name_server(zone)
        sender = postfix.Postfix(out_host).start(port=None)
        sender.send("sender@example.org", ["someone@example.net"], message("x"))
        sender.wait_log("status=deferred")
        self.assertEqual(len(sender.queue_ids()), 1)

    def test_a_load_through_postfix_reaches_the_sink(self):
        relay_host = self.lan.host("relay", software=["postfix"])
        sink_host = self.lan.host("sink", software=["postfix"])
        load_host = self.lan.host("load", software=["postfix"])
        sink = postfix.Sink(sink_host, dump=True).start()
        relay = postfix.Postfix(relay_host, settings={
            "mynetworks": "192.0.2.0/24", "relayhost": f"[{sink_host.v4}]"}).start()
        postfix.source(load_host, relay_host.v4, count=100)
        relay.wait_log("status=sent", count=100, timeout=30)
        self.assertEqual(len(sink.dumped()), 100)

    def test_the_name_server_answers_as_told_and_anew_after_a_change(self):
        zone = dnszone.Zone("example.net").null_mx("@").txt("@", "v=spf1 " + "x" * 300)
        zone.cname("www", "web").address("web", "192.0.2.7", "2001:db8::7")
        dns = self.name_server(zone)
        rcode, _, answers = dnsquery.ask(dns.host.v4, "example.net", dnsquery.MX)
        self.assertEqual((rcode, answers), (0, [b"\0\0\0"]))
        _, _, (text,) = dnsquery.ask(dns.host.v6, "example.net", dnsquery.TXT)
        self.assertEqual(text[0], 255)
        _, _, (address,) = dnsquery.ask(dns.host.v4, "www.example.net", dnsquery.AAAA)
        self.assertEqual(address[:4], b"\x20\x01\x0d\xb8")
        self.assertEqual(dnsquery.ask(dns.host.v4, "no.example.net", dnsquery.A)[0], 3)
        zone.address("no", "192.0.2.8")
        dns.reload()
        self.assertEqual(dnsquery.ask(dns.host.v4, "no.example.net", dnsquery.A)[2], [b"\xc0\0\x02\x08"])

    def test_unbound_resolves_through_the_name_server(self):
        dns = self.name_server(dnszone.Zone("example.net").address("mx", "192.0.2.7"))
        resolver = dnszone.Unbound(self.lan.host("res", software=["unbound"]),
                                   {"example.net": dns.host.v4}).start()
        _, _, answers = dnsquery.ask(resolver.host.v4, "mx.example.net", dnsquery.A)
        self.assertEqual(answers, [b"\xc0\0\x02\x07"])

    def test_an_unplugged_host_is_out_of_reach(self):
        host = self.lan.host("far", software=["postfix"])
        postfix.Sink(host).start()
        host.unplug()
        with self.assertRaises(TimeoutError):
            host.listens(25, timeout=0.5)
        host.plug()
        host.listens(25)


if __name__ == "__main__":
    case.main()
