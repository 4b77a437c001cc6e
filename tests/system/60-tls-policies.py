"""TLS as the receiver's side, the message and the operator want it, with real parts: a signed tree of zones, policies
on a web server, Postfix. What goes over the link is looked at: nothing of a message in clear where that is forbidden."""

import re
import ssl

from harness import api, capture, case, certs, client, dnssec, mtasts, postfix, smtpsink, suite, wait

CONFIG = """
hostname us.test
listen public { address 192.0.2.1  submission 587  require-tls-for-auth no
    certificate-file cert.pem  key-file key.pem }
listen web { address 192.0.2.1  http 80  metrics yes }
domain us.test { }
account ann { address ann@us.test }
mta-sts { allow-private yes }
queue { first-retry 1h }
"""


class TlsPolicies(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1)
        self.ca = certs.Authority(self.lan.work / "ca")
        self.other = certs.Authority(self.lan.work / "other", "Some Other Authority")
        self.tree = dnssec.Tree(self.lan.work / "zones")
        self.web = mtasts.Server(self.lan.host("web", software=["nginx"]), self.ca)
        self.sinks = {}

    # ---- the world

    def domain(self, name, mx, signed=True):
        """A zone whose mail goes to mx.<name>, at the address `mx`."""
        return self.tree.zone(name, signed).mx("@", 10, "mx").address("mx", mx)

    def postfix(self, domains, cert, key):
        """A Postfix that takes mail for all of them, under TLS if asked to."""
        host = self.lan.host("mx", software=["postfix"])
        host.write("/etc/postfix/cert.pem", cert.read_text())
        host.write("/etc/postfix/key.pem", key.read_text())
        peer = postfix.Postfix(host, domains=domains, settings={
            "smtpd_tls_security_level": "may", "smtpd_tls_loglevel": "1",
            "smtpd_tls_chain_files": "/etc/postfix/key.pem /etc/postfix/cert.pem"})
        return peer

    def sink(self, name, cert=None, **options):
        """A scripted server on a host of its own; cert: (certificate, key) for STARTTLS."""
        context = None
        if cert:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*cert)
        self.sinks[name] = smtpsink.SmtpSink(self.lan.host(name), 25, tls=context, **options)
        self.addCleanup(self.sinks[name].close)
        return self.sinks[name]

    def start(self, config=CONFIG, policies=False):
        if policies:
            self.web.start()
        self.tree.start(self.lan.host("dns", software=["nsd"]), self.lan.host("res", software=["unbound"]))
        self.us.resolver(self.tree.resolver.host.v4)
        self.us.write("/etc/ssl/certs/ca-certificates.crt", self.ca.root.read_text())
        self.suite = suite.Suite(config, host=self.us)
        cert, key = self.ca.issue("us", "us.test")
        self.suite.add_file("cert.pem", cert.read_text())
        self.suite.add_file("key.pem", key.read_text())
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())

    # ---- mail

    def submit(self, domains, options=(), extra=""):
        """A message for a@<domain> each, alone."""
        with client.connect("192.0.2.1", 587, starttls=bool(options)) as smtp:
            client.plain(smtp, "ann@us.test", "secret")
            for domain in domains:
                smtp.sendmail("ann@us.test", [f"a@{domain}"],
                              client.message(f"a@{domain}", domain, sender="ann@us.test", extra=extra), options)

    def outcome(self, domain):
        """What the log says became of it: (event, what is told of TLS, the whole entry)."""
        def find():
            return [entry for entry in self.suite.find_log(rcpt=f"a@{domain}")
                    if entry.get("m") in ("delivered", "deferred", "failed")]
        wait.until(find, 30, lambda: f"an outcome for {domain}\n{self.suite.tail()}")
        entry = find()[-1]
        return entry["m"], entry.get("tls", ""), entry

    def expect(self, expected):
        """expected: domain -> (event, a part of what is told of TLS)."""
        got = {domain: self.outcome(domain) for domain in expected}
        for domain, (event, tls) in expected.items():
            with self.subTest(domain):
                self.assertEqual(got[domain][0], event, got[domain])
                self.assertIn(tls, got[domain][1])
        return got

    def counted(self, line, process="delivery/direct", scope="delivery"):
        """Waits until the metrics have this line: a counter of the process, its labels without the process's, its value."""
        def there():
            text = api.Api("192.0.2.1", 80).get("/metrics").body.decode()
            return f"quartermaster_{scope}_{line}\n" in re.sub(f'{{process="{process}"}}|process="{process}",', "", text)
        wait.until(there, 20, line)

    def compare_with_postfix(self, host, verdicts):
        """What Postfix, asked for DANE, thinks of the same hosts: domain -> a pattern of its word for the connection."""
        host.resolver(self.tree.resolver.host.v4)
        for domain, word in verdicts.items():
            with self.subTest("Postfix on " + domain):
                said = host.run(["posttls-finger", "-c", "-l", "dane", "-t", "10", domain], check=False)
                self.assertRegex(said.stdout + said.stderr, rf"({word}) TLS connection established")

    # ---- tests

    def test_what_the_domain_published_is_kept_to(self):
        names = ["dane", "wrong", "unusable", "bogus", "insecure", "anchor", "misnamed", "expired", "enforce", "mismatch",
                 "testing", "none", "both", "untrusted", "nothing"]
        hosts = [f"mx.{name}.test" for name in names if name not in ("untrusted", "misnamed")]
        cert, key = self.ca.issue("mx", *hosts)  # whoever has a policy about authorities has its name here
        peer = self.postfix([f"{name}.test" for name in names], cert, key)
        mx, good, bad = peer.host.v4, certs.tlsa(cert), certs.tlsa(self.ca.root)
        zones = {name: self.domain(f"{name}.test", mx, signed=name != "insecure") for name in names}
        anchor = certs.tlsa(self.ca.root, usage=2, selector=0)
        for name, record in (("dane", good), ("wrong", bad), ("unusable", "0 0 1 " + "00" * 32), ("bogus", good),
                             ("insecure", bad), ("both", good), ("anchor", anchor), ("misnamed", anchor),
                             ("expired", good)):
            zones[name].add("_25._tcp.mx", "TLSA", record)
        zones["bogus"].spoil("_25._tcp.mx", "TLSA")
        zones["expired"].expire()
        for name, mode, allowed in (("enforce", "enforce", "*.enforce.test"), ("mismatch", "enforce", "mx.else.test"),
                                    ("testing", "testing", "mx.else.test"), ("none", "none", "mx.none.test"),
                                    ("both", "enforce", "mx.both.test"), ("untrusted", "enforce", "mx.untrusted.test")):
            self.web.publish(zones[name], mode, [allowed])
        peer.start()
        self.start(policies=True)
        with capture.Capture() as link:
            self.submit(f"{name}.test" for name in names)
            self.expect({
                "dane.test": ("delivered", " verified; policy dane"),
                "wrong.test": ("deferred", "policy dane"),
                "unusable.test": ("delivered", " unverified; policy dane-unusable"),
                "bogus.test": ("deferred", "policy dane-failed"),
                "insecure.test": ("delivered", " unverified; policy may"),
                "anchor.test": ("delivered", " verified; policy dane"),
                "misnamed.test": ("deferred", "policy dane"),
                "expired.test": ("deferred", ""),
                "enforce.test": ("delivered", " verified; policy sts"),
                "mismatch.test": ("deferred", "policy sts-mismatch"),
                "testing.test": ("delivered", " unverified; policy may"),
                "none.test": ("delivered", " unverified; policy may"),
                "both.test": ("delivered", " verified; policy dane+sts"),
                "untrusted.test": ("deferred", "policy sts"),
                "nothing.test": ("delivered", " unverified; policy may"),
            })
        self.compare_with_postfix(peer.host, {
            "dane.test": "Verified", "wrong.test": "Untrusted", "unusable.test": "Anonymous|Untrusted|Trusted",
            "insecure.test": "Anonymous|Untrusted|Trusted", "anchor.test": "Verified", "misnamed.test": "Trusted|Untrusted"})
        self.assertGreater(link.connections(25), 9)
        self.assertNotIn(b"MAIL FROM", link.stream(to_port=25))
        self.assertIn("certificate verify failed", self.outcome("untrusted.test")[2]["why"])
        peer.wait_log("TLS connection established", count=9)
        row, = self.suite.qmctl("queue", "list", "--to", "a@wrong.test")
        shown = self.suite.qmctl("queue", "show", row["id"])
        self.assertEqual([(one["tls"], one["tls_name"], one["tls_peer"], one["tls_record"], one["octets"])
                          for one in shown["history"]], [("policy dane", "mx.wrong.test", "CN=mx.dane.test", "", 0)])
        for name, record in (("dane", good), ("anchor", anchor), ("enforce", "")):
            entry = self.outcome(f"{name}.test")[2]
            self.assertEqual((entry["tls_name"], entry["tls_record"]), (f"mx.{name}.test", record.lower()))
            self.assertRegex(entry["tls_peer"], "CN=mx")
            self.assertGreater(int(entry["octets"]), 100)
        row, = self.suite.qmctl("retired", "list", "--to", "a@dane.test")
        for words in (["retired", "show", row["id"]], ["message", "show", row["qid"]]):
            shown = self.us.run([str(self.suite.qmctl_program), "-c", str(self.suite.config_path), *words]).stdout
            for line in ("Server name: mx.dane.test", "Certificate: CN=mx.dane.test", f"Matches: {good.lower()}"):
                self.assertIn(f"\n  {line}\n", shown)
            self.assertRegex(shown, r"\n  \d+ octets sent\n")
        # The policies are known now: the next message goes by them without the web server.
        fetched = len(self.web.requests())
        self.assertEqual(fetched, 6)
        self.web.stop()
        self.submit(["enforce.test", "mismatch.test"])
        wait.until(lambda: len(self.suite.find_log(m="delivered", rcpt="a@enforce.test")) == 2, 20, "the second one")
        for line in ("dane_required_total 5", "dane_unusable_total 1", "dane_lookup_errors_total 1",
                     'dane_verify_total{result="ok"} 3', 'dane_verify_total{result="failed"} 2',
                     'attempt_duration_seconds_count{attempt="1",tls="dane",result="ok"} 2',
                     'attempt_duration_seconds_count{attempt="1",tls="dane_unusable",result="ok"} 1',
                     'attempt_duration_seconds_count{attempt="1",tls="refused",result="error"} 3',
                     'sts_lookups_total{result="fetched"} 6', 'sts_lookups_total{result="cached"} 2'):
            self.counted(line)
        for line in ('type="TLSA",result="ok"} 6', 'type="TLSA",result="temporary"} 1', 'type="MX",result="temporary"} 1'):
            self.counted("lookup_duration_seconds_count{" + line, scope="dns")
        self.suite.stop()

    def test_an_alias_is_one_name_to_dane_and_another_to_the_policy(self):
        real = self.tree.zone("real.test")
        wanted, asked = {}, {}
        # What the certificate names, its TLSA record, whether there is a policy for mx.<domain>; what comes of it.
        for name, names, record, policy, outcome in (
                ("both", ["mx.both.test"], "good", True, ("delivered", " verified; policy dane+sts")),
                ("anchor", ["mx.anchor.test", "anchor.real.test"], "anchor", True, ("delivered", " verified; policy dane+sts")),
                ("base", ["base.real.test"], "good", True, ("deferred", "policy dane+sts")),
                ("alone", ["alone.real.test"], "good", False, ("delivered", " verified; policy dane")),
                ("wrong", ["mx.wrong.test"], "bad", True, ("deferred", "policy dane+sts"))):
            cert, key = self.ca.issue(name, *names)
            sink = self.sink(name, (cert, key), extensions=["STARTTLS"])
            sink._tls.sni_callback = lambda sock, said, context, name=name: asked.setdefault(name, said) and None
            zone = self.tree.zone(f"{name}.test").mx("@", 10, "mx").cname("mx", f"{name}.real.test.")
            real.address(name, sink.address).add(f"_25._tcp.{name}", "TLSA", {
                "good": certs.tlsa(cert), "bad": certs.tlsa(self.ca.root), "anchor": certs.tlsa(self.ca.root, usage=2, selector=0)}[record])
            if policy:
                self.web.publish(zone, "enforce", [f"mx.{name}.test"])
            wanted[f"{name}.test"] = outcome
        self.start(policies=True)
        with capture.Capture() as link:
            self.submit(wanted)
            self.expect(wanted)
        self.assertNotIn(b"MAIL FROM", link.stream(to_port=25))
        self.assertEqual(asked, {name: f"{name}.real.test" for name in self.sinks})
        self.assertEqual({name: len(sink.mails) for name, sink in self.sinks.items()},
                         {"both": 1, "anchor": 1, "base": 0, "alone": 1, "wrong": 0})
        self.suite.stop()

    def test_starttls_that_is_refused_or_cut(self):
        refuses = self.sink("refuses", extensions=["STARTTLS"], script={"STARTTLS": "502 5.5.1 what is that"})
        cuts = self.sink("cuts", extensions=["STARTTLS"], script={"STARTTLS": smtpsink.Reply(drop=True)})
        hides = self.sink("hides", extensions=["SIZE"], script={"STARTTLS": "502 5.5.1 what is that"})
        any_key = certs.tlsa(self.ca.root)
        for name, sink in (("refuses", refuses), ("cuts", cuts), ("hides", hides)):
            self.domain(f"may-{name}.test", sink.address)
            self.domain(f"dane-{name}.test", sink.address).add("_25._tcp.mx", "TLSA", any_key)
            self.web.publish(self.domain(f"sts-{name}.test", sink.address), "enforce", [f"mx.sts-{name}.test"])
            self.domain(f"own-{name}.test", sink.address)
        self.start(CONFIG + "tls-policy { to own-refuses.test own-cuts.test own-hides.test  level encrypt }\n",
                   policies=True)
        with capture.Capture() as link:
            self.submit(f"{kind}-{name}.test" for kind in ("may", "dane", "sts", "own") for name in self.sinks)
            self.expect({
                "may-refuses.test": ("delivered", "clear, STARTTLS was refused; policy may"),
                "may-cuts.test": ("delivered", "clear, the connection was cut over STARTTLS; policy may"),
                "may-hides.test": ("delivered", "clear, STARTTLS not offered; policy may"),
                **{f"dane-{name}.test": ("deferred", "policy dane") for name in self.sinks},
                **{f"sts-{name}.test": ("deferred", "policy sts") for name in self.sinks},
                **{f"own-{name}.test": ("deferred", "policy encrypt") for name in self.sinks},
            })
        self.assertEqual(link.stream(to_port=25).count(b"MAIL FROM"), 3)
        for name in ("dane-hides.test", "sts-refuses.test", "own-refuses.test"):
            self.assertEqual(self.outcome(name)[2]["dsn"], "4.7.4")
        for reason in ("starttls_refused", "connection_cut"):
            self.counted(f'plaintext_fallback_total{{reason="{reason}"}} 1')
        for line in ("starttls_not_offered_total 1", 'connections_total{result="ok"} 14', "sessions_failed_total 11",
                     'command_duration_seconds_count{cmd="starttls",class="5"} 7',
                     'replies_total{cmd="starttls",code="502"} 7',
                     'attempt_duration_seconds_count{attempt="1",tls="encrypt",result="temperror"} 2',
                     'attempt_duration_seconds_count{attempt="1",tls="encrypt",result="error"} 1',
                     'command_duration_seconds_count{cmd="mail",class="2"} 3',
                     'command_duration_seconds_count{cmd="data",class="3"} 3'):
            self.counted(line)
        self.suite.stop()

    def test_what_a_message_asks_for_and_what_the_operator_says(self):
        cert, key = self.ca.issue("mx", "mx.asks.test", "mx.lax.test")
        bad, bad_key = self.other.issue("other", "mx.whatever.test")
        takes = self.sink("takes", (cert, key), extensions=["STARTTLS", "REQUIRETLS"])
        strange = self.sink("strange", (bad, bad_key), extensions=["STARTTLS"])
        self.domain("asks.test", takes.address).add("_25._tcp.mx", "TLSA", certs.tlsa(cert))
        self.domain("lax.test", takes.address)
        self.domain("strange.test", strange.address).add("_25._tcp.mx", "TLSA", certs.tlsa(bad))
        for name in ("wrong", "verify", "pinned", "unpinned", "only", "off"):
            self.domain(f"{name}.test", strange.address)
        self.tree.zones[3].add("_25._tcp.mx", "TLSA", certs.tlsa(cert))
        pin = certs.tlsa(bad).split()[3]
        self.start(CONFIG + f"""
tls-policy {{ to verify.test  level verify }}
tls-policy {{ to .pinned.test  level fingerprint  fingerprint {pin} }}
tls-policy {{ to unpinned.test  level fingerprint  fingerprint {"00" * 32} }}
tls-policy {{ to only.test  level dane-only }}
tls-policy {{ to off.test  level none }}
""")
        with capture.Capture() as link:
            self.submit(["asks.test", "lax.test", "strange.test"], options=["REQUIRETLS"])
            self.expect({"asks.test": ("delivered", " verified; policy requiretls dane"),
                         "lax.test": ("failed", "policy requiretls no-policy"),
                         "strange.test": ("failed", "policy requiretls dane")})
            for name in ("lax.test", "strange.test"):
                self.assertEqual(self.outcome(name)[2]["dsn"], "5.7.30")
            self.submit(["wrong.test"], extra="TLS-Required: No\r\n")
            self.submit(["verify.test", "pinned.test", "unpinned.test", "only.test"])
            self.expect({"wrong.test": ("delivered", " unverified; policy optional may"),
                         "verify.test": ("deferred", "policy verify"),
                         "pinned.test": ("delivered", " verified; policy fingerprint"),
                         "unpinned.test": ("deferred", "policy fingerprint"),
                         "only.test": ("deferred", "policy dane-missing")})
        self.assertNotIn(b"MAIL FROM", link.stream(to_port=25))
        self.assertIn("REQUIRETLS", takes.mails[0].sender)
        self.submit(["off.test"])
        self.expect({"off.test": ("delivered", "clear, TLS is switched off; policy none")})
        self.counted('tls_optional_total{ignored="dane"} 1')
        self.suite.stop()

    def test_who_can_do_without_is_not_kept_out_with_the_others(self):
        sink = self.sink("sink", self.other.issue("mx", "mx.shut.test"), extensions=["STARTTLS"])
        self.domain("shut.test", sink.address).add("_25._tcp.mx", "TLSA", certs.tlsa(self.ca.root))
        self.start(CONFIG.replace("queue {", "queue { destination-concurrency-start 1  destination-pause 1h "))

        sink.script("CONNECT", smtpsink.Reply("220 sink.test ESMTP", delay=0.3))
        self.submit(["shut.test"] * 8)  # one after the other, in each other's sight
        self.suite.wait_log(m="deferred", rcpt="a@shut.test", count=8)
        tried = len(sink.sessions)
        self.assertLess(tried, 8)
        self.suite.wait_log(m="destination suspended", destination="shut.test")
        self.assertIn("suspended", self.suite.find_log(m="deferred", rcpt="a@shut.test")[-1]["why"])
        self.submit(["shut.test"], extra="TLS-Required: No\r\n")
        self.suite.wait_log(m="delivered", rcpt="a@shut.test")
        self.assertEqual(len(sink.sessions), tried + 1)
        deferred = len(self.suite.find_log(m="deferred", rcpt="a@shut.test"))
        self.submit(["shut.test"])  # for whom nothing has changed
        self.suite.wait_log(m="deferred", rcpt="a@shut.test", count=deferred + 1)
        self.assertEqual(len(sink.sessions), tried + 1)
        self.suite.stop()

    def test_a_policy_that_was_seen_outlives_what_hides_it(self):
        cert, key = self.ca.issue("mx", *[f"mx.{name}.test" for name in ("kept", "gone", "moved", "picture", "fake", "late")])
        sink = self.sink("sink", (cert, key), extensions=["STARTTLS"])
        zones = {name: self.domain(f"{name}.test", sink.address)
                 for name in ("kept", "gone", "moved", "picture", "fake", "late")}
        wrong = ["mx.else.test"]  # whoever comes by such a policy keeps to it, and sends nothing
        self.web.publish(zones["kept"], "enforce", ["mx.kept.test"])
        self.web.publish(zones["gone"], "enforce", wrong, answer="return 404;")
        self.web.publish(zones["moved"], "enforce", wrong, answer="return 302 https://mta-sts.kept.test/x;")
        self.web.publish(zones["picture"], "enforce", wrong, kind="image/png")
        self.web.publish(zones["fake"], "enforce", wrong, cert=self.other.issue("fake", "mta-sts.fake.test"))
        self.web.publish(zones["late"], "enforce", wrong, cert=self.ca.issue(
            "late", "mta-sts.late.test", start="20200101000000Z", end="20200201000000Z"))
        self.start(policies=True)
        self.submit(zone.name for zone in zones.values())
        self.expect({zone.name: ("delivered", "policy sts" if name == "kept" else "policy may")
                     for name, zone in zones.items()})
        said = {entry["domain"]: entry["why"] for entry in self.suite.find_log(m="policy not fetched")}
        self.assertEqual(set(said), {f"{name}.test" for name in zones if name != "kept"})
        self.assertEqual(said["gone.test"], "http-status-404")
        for result, n in (("ok", 1), ("notfound", 1), ("untrusted", 2), ("error", 2)):
            self.counted(f'policy_fetch_duration_seconds_count{{result="{result}"}} {n}', "hooks", "hooks")
        self.counted('lookup_duration_seconds_count{type="A",result="ok"} 6', "hooks", "dns")
        self.suite.stop()
        # No record, no web server, and somebody in between who takes TLS away: what is known holds.
        zones["kept"].drop("_mta-sts")
        self.tree.nsd.reload()
        self.web.stop()
        sink.script("STARTTLS", "454 4.7.0 not today")
        self.suite.start()
        with capture.Capture() as link:
            self.submit(["kept.test"])
            wait.until(lambda: self.suite.find_log(m="deferred", rcpt="a@kept.test"), 20, "a deferral")
        self.assertIn("policy sts", self.outcome("kept.test")[1])
        self.assertNotIn(b"MAIL FROM", link.stream(to_port=25))
        self.suite.stop()

    def test_a_smarthost_is_known_by_its_records(self):
        cert, key = self.other.issue("hub", "whatever.test")
        hub = self.sink("hub", (cert, key), extensions=["STARTTLS"])
        zone = self.tree.zone("hub.test").address("good", hub.address).address("bad", hub.address)
        zone.add("_2525._tcp.good", "TLSA", certs.tlsa(cert)).add("_2525._tcp.bad", "TLSA", certs.tlsa(self.ca.root))
        relay = smtpsink.SmtpSink(self.lan.hosts["hub"], 2525, tls=hub._tls, extensions=["STARTTLS"])
        self.addCleanup(relay.close)
        self.start(CONFIG + """
transport good { smtp { host good.hub.test  port 2525  tls dane-only } }
transport bad { smtp { host bad.hub.test  port 2525  tls opportunistic } }
transport plain { smtp { host good.hub.test  port 2525 } }
route { to a.example  transport good }
route { to b.example  transport bad }
route { to c.example  transport plain }
""")
        with capture.Capture() as link:
            self.submit(["a.example", "b.example", "c.example"])
            self.expect({"a.example": ("delivered", " verified; policy dane"),
                         "b.example": ("deferred", "policy dane"),
                         "c.example": ("deferred", "policy verify")})
        self.assertNotIn(b"MAIL FROM", link.stream(to_port=2525))
        self.suite.stop()


if __name__ == "__main__":
    case.main()
