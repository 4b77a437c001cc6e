"""DANE as Postfix sees it: posttls-finger and the suite look at the same domains, in a signed tree of zones, and must come to the
same: MX records x aliases x TLSA records, certificates with some names, and servers that cannot do TLS."""

import concurrent.futures
import itertools
import re
import ssl

from harness import api, case, certs, client, dnsproxy, dnssec, postfix, smtpsink, suite, wait

CONFIG = """
hostname us.test
listen public { address 192.0.2.1  submission 587  require-tls-for-auth no }
domain us.test { }
account ann { address ann@us.test }
smtp { transactions 10000 }
dns { timeout 20s }
queue { first-retry 1h }
deliver { idle-timeout 0 }
"""
SOON = 60  # seconds

# What a domain comes to. NO_DANE: TLS with any certificate. ANY: the same, but never without TLS, since there are records, if none
# that can be used. LOOKUP: not now, since something could not be looked up.
VERIFIED, NO_DANE, ANY, MISMATCH, LOOKUP, NO_TLS = "verified", "no DANE", "any certificate", "mismatch", "lookup", "no TLS"

MX = ("secure", "insecure", "none")
# The host's name: its own; an alias that is secure, of a name that is, or that is not; an alias that is not secure.
ALIAS = ("own", "alias", "leaving", "loose")
# Kinds of TLSA records, and what a domain comes to whose host they are about, all else being secure. The last three are found by an
# alias of the records' own name: secure; leading to unsigned records; leading to no records, unsigned.
TLSA = {"absent": NO_DANE, "key": VERIFIED, "otherkey": MISMATCH, "anchor": VERIFIED, "anchorkey512": VERIFIED, "pkix": ANY,
        "short": ANY, "unknown": ANY, "garbage": ANY, "mixed": VERIFIED, "servfail": LOOKUP, "bogus": LOOKUP,
        "elsewhere": VERIFIED, "insecure": NO_DANE, "nothing": NO_DANE}
SECURE = [(mx, alias) for mx in ("secure", "none") for alias in ("own", "alias", "leaving")]

# Where we mean to differ: domain -> (ours, Postfix's).
DIFFERENT = {
    # A certificate for the MX record's name, records where the alias of that leads: both are secure, and we take
    # either; RFC 7672 section 3.2.2 asks for the latter alone.
    "d.mxname.domains.test": (VERIFIED, MISMATCH),
}


class DaneOracle(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1)
        self.ca = certs.Authority(self.lan.work / "ca")
        self.tree = dnssec.Tree(self.lan.work / "zones")
        self.secure, self.hosts, self.targets = (self.tree.zone(f"{name}.test") for name in ("domains", "hosts", "targets"))
        self.insecure = self.tree.zone("unsigned.test", signed=False)
        self.late = self.tree.zone("late.test").expire()
        self.domains, self.expected, self.sinks = [], {}, {}

    # ---- servers

    def sink(self, name, cert=None, **options):
        """A scripted server on a host of its own."""
        context = None
        if cert:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*cert)
        self.sinks[name] = smtpsink.SmtpSink(self.lan.host(name), 25, tls=context, **options)
        self.addCleanup(self.sinks[name].close)
        return self.sinks[name].address

    def start_postfix(self):
        host = self.lan.host("mx", software=["postfix"])
        self.cert, key = self.ca.issue("mx", "*.hosts.test", "*.targets.test")
        host.write("/etc/postfix/cert.pem", self.cert.read_text())
        host.write("/etc/postfix/key.pem", key.read_text())
        self.postfix = postfix.Postfix(host, domains=["static:all"], listeners=postfix.CROWD_LISTENER, settings={
            **postfix.CROWD, "smtpd_tls_security_level": "may",
            "smtpd_tls_chain_files": "/etc/postfix/key.pem /etc/postfix/cert.pem"}).start()

    # ---- names

    def records(self, kind):
        """The TLSA records of a kind, as data."""
        key, digest = certs.tlsa(self.cert), "5a" * 32
        return {"key": [key], "otherkey": [f"3 1 1 {digest}"], "anchor": [certs.tlsa(self.ca.root, 2, 0)],
                "anchorkey512": [certs.tlsa(self.ca.root, 2, 1, 2)], "pkix": [f"0 0 1 {digest}", f"1 1 1 {key.split()[3]}"],
                "short": [f"3 1 1 {digest[2:]}"], "unknown": [f"3 1 9 {digest}", f"7 1 1 {digest}", f"3 5 1 {digest}"],
                "garbage": ["3 1 0 0badc0de", "2 0 0 0badc0de"], "mixed": [f"0 0 1 {digest}", f"3 1 1 {digest}", key],
                "bogus": [key]}.get(kind, [])

    def put_tlsa(self, zone, name, kind):
        """The records of a kind at the host `name` of a zone."""
        at = f"_25._tcp.{name}"
        for record in self.records(kind):
            zone.add(at, "TLSA", record)
        if kind == "bogus":
            zone.spoil(at, "TLSA")
        elif kind == "servfail":
            zone.add(f"_tcp.{name}", "NS", "ns.broken.test.")
        elif kind == "elsewhere":
            zone.cname(at, f"tlsa.{name}.targets.test.")
            self.targets.add(f"tlsa.{name}", "TLSA", certs.tlsa(self.cert))
        elif kind == "insecure":
            zone.cname(at, f"tlsa.{name}.unsigned.test.")
            self.insecure.add(f"tlsa.{name}", "TLSA", self.records("otherkey")[0])
        elif kind == "nothing":
            zone.cname(at, f"nothing.{name}.unsigned.test.")

    def put_host(self, name, alias, address):
        """A host's name with its alias. Returns (the name in full, who is to have the TLSA records: a zone)."""
        if alias == "own":
            self.hosts.address(name, address)
            return f"{name}.hosts.test", self.hosts
        if alias == "loose":
            self.insecure.cname(name, f"{name}.targets.test.")
            self.targets.address(name, address)
            return f"{name}.unsigned.test", self.targets
        target = self.targets if alias == "alias" else self.insecure
        self.hosts.cname(name, f"{name}.{target.name}.")
        target.address(name, address)
        return f"{name}.hosts.test", self.targets if alias == "alias" else self.hosts

    def fixture(self, name, mx="secure", alias="own", tlsa="key", address=None):
        """A domain. Returns its name."""
        full, zone = self.put_host(name, alias, address or self.postfix.host.v4)
        self.put_tlsa(zone, name, tlsa)
        if mx == "none":
            domain = full
        else:
            of = self.secure if mx == "secure" else self.insecure
            of.mx(f"d.{name}", 10, full + ".")
            domain = f"d.{name}.{of.name}"
        self.domains.append(domain)
        if (mx, alias) in SECURE and address is None:
            self.expected[domain] = TLSA[tlsa]
        return domain

    def publish(self):
        for mx, alias, tlsa in itertools.product(MX, ALIAS, TLSA):
            if (mx == "insecure" or alias == "loose") and tlsa not in ("absent", "key", "otherkey", "bogus"):
                continue  # that there are no such records is all there is to it
            self.fixture(f"{mx}-{alias}-{tlsa}", mx, alias, tlsa)
        # Records at the alias itself, with and without others where it leads.
        for tlsa in ("key", "otherkey", "pkix"):
            for name, further in (("alone", "absent"), ("first", "otherkey" if tlsa == "key" else "key")):
                domain = self.fixture(f"{name}-{tlsa}", "secure", "alias", further)
                self.put_tlsa(self.hosts, f"{name}-{tlsa}", tlsa)
                self.expected[domain] = TLSA[tlsa if name == "alone" else further]
        self.publish_names()
        self.publish_servers()
        # Signatures that are over: of the MX records, of the addresses.
        self.late.mx("d", 10, "own.hosts.test.").address("host", self.postfix.host.v4)
        self.secure.mx("late", 10, "host.late.test.")
        self.hosts.address("own", self.postfix.host.v4)
        self.domains += ["d.late.test", "late.domains.test"]

    def publish_names(self):
        """Trust anchors, and certificates that have one name each."""
        for label, alias, certified in (("nexthop", "own", "d.nexthop.domains.test"),
                                        ("nexthop2", "alias", "d.nexthop2.domains.test"),
                                        ("mxname", "alias", "mxname.hosts.test"), ("target", "alias", "target.targets.test"),
                                        ("leftname", "leaving", "leftname.hosts.test"), ("other", "own", "mx.other.test"),
                                        ("above", "own", "hosts.test"), ("wildcard", "own", "*.wildcard.hosts.test")):
            cert = self.ca.issue(label, certified)
            address = self.sink(label, cert, extensions=["STARTTLS"])
            self.fixture(label, "secure", alias, "anchor", address)
            self.fixture(f"{label}-key", "secure", alias, "absent", address)
            self.put_tlsa_data(f"{label}-key", alias, certs.tlsa(cert[0]))
        # A domain without MX records that is an alias of a name which is not secure: its own name counts, and that one does not.
        for label, certified, verdict in (("nomx", "nomx.hosts.test", VERIFIED), ("nomx2", "nomx2.unsigned.test", MISMATCH)):
            address = self.sink(label, self.ca.issue(label, certified), extensions=["STARTTLS"])
            self.expected[self.fixture(label, "none", "leaving", "anchor", address)] = verdict
        # A domain that is an alias, secure or not, of one that has MX records, and a certificate for the one or the other.
        for label, certified in (("from", "from.domains.test"), ("to", "d.to.domains.test")):
            self.fixture(label, "secure", "own", "anchor", self.sink(label, self.ca.issue(label, certified), extensions=["STARTTLS"]))
            self.secure.cname(label, f"d.{label}.domains.test.")
            self.insecure.cname(label, f"d.{label}.domains.test.")
            self.domains += [f"{label}.domains.test", f"{label}.unsigned.test"]
        old = self.ca.issue("old", "old.hosts.test", "old-key.hosts.test", start="20200101000000Z", end="20200201000000Z")
        address = self.sink("old", old, extensions=["STARTTLS"])
        self.fixture("old", "secure", "own", "anchor", address)
        self.fixture("old-key", "secure", "own", "absent", address)
        self.put_tlsa_data("old-key", "own", certs.tlsa(old[0]))

    def put_tlsa_data(self, name, alias, data):
        (self.targets if alias == "alias" else self.hosts).add(f"_25._tcp.{name}", "TLSA", data)

    def publish_servers(self):
        """Servers with which there is no TLS, under records that match nobody yet."""
        hides = self.sink("hides", extensions=["SIZE"], script={"STARTTLS": "502 5.5.1 what is that"})
        refuses = self.sink("refuses", extensions=["STARTTLS"], script={"STARTTLS": "454 4.7.0 not now"})
        drops = self.sink("drops", extensions=["STARTTLS"], script={"STARTTLS": smtpsink.Reply("220 go ahead", drop=True)})
        for name, address in (("hides", hides), ("refuses", refuses), ("drops", drops)):
            self.fixture(name, tlsa="key", address=address)
            self.fixture(f"{name}-pkix", tlsa="pkix", address=address)
            self.fixture(f"{name}-bogus", tlsa="bogus", address=address)

    # ---- us

    def start(self):
        broken = dnsproxy.DnsProxy(self.lan.host("broken"), "192.0.2.254")
        broken.mode = "servfail"
        self.addCleanup(broken.close)
        self.tree.top.address("ns.broken", broken.host.v4)
        self.tree.start(self.lan.host("dns", software=["nsd"]), self.lan.host("res", software=["unbound"]))
        for host in (self.us, self.postfix.host):
            host.resolver(self.tree.resolver.host.v4)
        self.suite = suite.Suite(CONFIG, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())

    def ours(self):
        """domain -> (verdict, what it rests on)."""
        with client.connect("192.0.2.1", 587) as smtp:
            client.plain(smtp, "ann@us.test", "secret")
            for domain in self.domains:
                smtp.sendmail("ann@us.test", [f"a@{domain}"], client.message(f"a@{domain}", domain, sender="ann@us.test"))
        found = {}

        def there():
            found.update({entry["rcpt"][2:]: entry for entry in self.suite.log()
                          if entry.get("m") in ("delivered", "deferred", "failed") and entry.get("rcpt", "").startswith("a@")})
            return set(self.domains) <= set(found)
        wait.until(there, SOON, lambda: f"an outcome for {sorted(set(self.domains) - set(found))}")
        return {domain: (our_verdict(found[domain]), f"{found[domain].get('tls')}: {found[domain].get('why')}")
                for domain in self.domains}

    def theirs(self):
        """The same from posttls-finger. An MX record that is not secure it would, unasked, let pass. It waits for answers less
        long than we do: what it could not look up it is asked again."""
        def ask(domain, again=True):
            done = self.postfix.host.run(["posttls-finger", "-c", "-v", "-l", "dane", "-M", "may", "-L", "routine,certmatch",
                                          "-t", "10", domain], check=False)
            said = done.stdout + done.stderr
            verdict = postfix_verdict(said)
            if verdict == LOOKUP and again:
                return ask(domain, False)
            return verdict, "\n".join(re.findall(".*(?:DANE|TLSA|established|verif|rror).*", said))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            return dict(zip(self.domains, pool.map(ask, self.domains)))

    def test_postfix_comes_to_the_same(self):
        self.start_postfix()
        self.publish()
        self.start()
        ours, theirs = self.ours(), self.theirs()
        faults, tally = [], {}
        for domain in self.domains:
            got = ours[domain][0], theirs[domain][0]
            tally[got] = tally.get(got, 0) + 1
            expected = self.expected.get(domain, got[0])
            if got != DIFFERENT.get(domain, (expected, expected)):
                faults.append(f"{domain}: expected {self.expected.get(domain, 'the same')}, ours {got[0]}, Postfix's {got[1]} "
                              f"({ours[domain][1]})\n{theirs[domain][1]}")
        print(len(self.domains), "domains,", ", ".join(f"{one} {count}" for (one, other), count in tally.items() if one == other),
              end=" ")
        if faults:
            self.fail(f"{len(faults)} of {len(self.domains)} domains\n" + "\n".join(faults))
        self.suite.stop()


def our_verdict(entry):
    tls, event = entry.get("tls", ""), entry["m"]
    if event == "delivered":
        return VERIFIED if tls.endswith(" verified; policy dane") else ANY if tls.endswith("; policy dane-unusable") else (
            NO_DANE if tls.startswith("TLS") and tls.endswith("; policy may") else f"delivered {tls}")
    if event == "deferred" and tls in ("policy dane", "policy dane-unusable"):
        return NO_TLS if "verif" not in entry["why"] else MISMATCH
    return LOOKUP if event == "deferred" and tls in ("", "policy dane-failed") else f"{event} {tls}"


def postfix_verdict(said):
    established = re.search(r"(\w+) TLS connection established", said)
    if not established:
        return LOOKUP if re.search(r"TLSA lookup error|Name service error", said) else NO_TLS
    if "(TLSA):" not in said or "no TLSA records found" in said:
        return NO_DANE
    if re.search("no usable TLSA records found|all TLSA records unusable", said):
        return ANY
    return VERIFIED if established[1] == "Verified" else MISMATCH


if __name__ == "__main__":
    case.main()
