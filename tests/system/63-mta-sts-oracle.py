"""MTA-STS beside Debian's postfix-mta-sts-resolver: web servers and records of every kind, good and bad, and both must come to the
same policy; and a forged alias that leads to somebody with a fine policy of their own."""

import concurrent.futures
import itertools
import ssl

from harness import api, capture, case, certs, client, dnsquery, dnszone, httpsink, mtasts, smtpsink, stsresolver, suite, wait

CONFIG = """
hostname us.test
listen public { address 192.0.2.1  submission 587  require-tls-for-auth no }
domain us.test { }
account ann { address ann@us.test }
smtp { transactions 10000 }
dns { timeout 20s }
mta-sts { allow-private yes  fetch-timeout 6s }
queue { first-retry 1h }
deliver { idle-timeout 0 }
"""
TOP = "sts.test"
SOON = 60  # seconds
MX = "mx.{}." + TOP
ENFORCE, TESTING = "enforce", "testing"


def policy(*lines, mode="mode: enforce", mx=None, age="max_age: 86400", end="\r\n"):
    """The text of a policy; a line that is "" is left out. {} in it is the domain's label."""
    mx = "mx: " + MX if mx is None else mx
    return end.join([line for line in ("version: STSv1", mode, mx, age, *lines) if line] + [""])


GOOD = policy()
FILLING = ("# " + "x" * 60 + ": \r\n") * 1040  # beyond 64 KiB

# label -> (the policy's text, what it says, or None for no policy to go by). The host is mx.<domain>.
TEXTS = {
    "ok": (GOOD, ENFORCE), "testing": (policy(mode="mode: testing"), TESTING), "none": (policy(mode="mode: none"), None),
    "nonebare": (policy(mode="mode: none", mx=""), None), "lf": (policy(end="\n"), ENFORCE),
    "nospace": (GOOD.replace(": ", ":"), ENFORCE), "blanks": (GOOD.replace(": ", ":   \t"), ENFORCE),
    "unfinished": (GOOD.removesuffix("\r\n"), ENFORCE), "gaps": (GOOD.replace("\r\n", "\r\n\r\n"), ENFORCE),
    "unknownkey": (policy("colour: green"), ENFORCE), "versionlast": ("".join(reversed(GOOD.splitlines(True))), ENFORCE),
    "mismatch": (policy(mx="mx: mx.elsewhere.test"), ENFORCE), "several": (policy("mx: mx.elsewhere.test"), ENFORCE),
    "wild": (policy(mx="mx: *.{}." + TOP), ENFORCE), "wilder": (policy(mx="mx: *." + TOP), ENFORCE),
    "below": (policy(mx="mx: *." + MX), ENFORCE), "upper": (policy(mx="mx: MX.{}." + TOP.upper()), ENFORCE),
    "ageless": (policy(age="max_age: 0"), ENFORCE), "oldest": (policy(age="max_age: 31557600"), ENFORCE),
    "older": (policy(age="max_age: 31557601"), ENFORCE), "ancient": (policy(age="max_age: 99999999999"), None),
    "noversion": (GOOD.replace("version: STSv1\r\n", ""), None), "version2": (GOOD.replace("STSv1", "STSv2"), None),
    "nomode": (policy(mode=""), None), "badmode": (policy(mode="mode: strict"), None),
    "bigmode": (policy(mode="mode: ENFORCE"), None),
    "noage": (policy(age=""), None), "badage": (policy(age="max_age: week"), None), "negative": (policy(age="max_age: -1"), None),
    "nomx": (policy(mx=""), None), "badmx": (policy(mx="mx: m x"), None), "dotmx": (policy(mx="mx: " + MX + "."), ENFORCE),
    "twice": (policy("mode: none"), ENFORCE), "nocolon": (policy("and so on"), None), "empty": ("", None),
    "html": ("<html></html>", None),
    "edge": (GOOD + ("x: \r\n" * 16000)[:65536 - len(GOOD.replace("{}", "edge"))], ENFORCE), "huge": (GOOD + FILLING, None),
    "hugefront": (FILLING + GOOD, None), "accents": (policy("colour: vert fonc\u00e9"), ENFORCE),
}

# label -> (what nginx says instead, the same)
ANSWERS = {
    "gone": ("return 404;", None), "broken": ("return 500;", None), "created": ("default_type text/plain; return 201 'x';", None),
    "moved": (f"return 301 https://mta-sts.ok.{TOP}/.well-known/mta-sts.txt;", None),
    "found": (f"return 302 https://mta-sts.found.{TOP}/elsewhere;", None),
    "picture": ("default_type image/png; alias /srv/ok.sts.test.txt;", None),
    "page": ("default_type text/html; alias /srv/ok.sts.test.txt;", None),
    "charset": ("default_type 'text/plain; charset=utf-8'; alias /srv/mx.txt;", ENFORCE),
    "slow": ("proxy_buffering off; proxy_pass http://{web}:8081;", None), "hangs": ("proxy_pass http://{web}:8082;", None),
    "endless": ("proxy_buffering off; proxy_pass http://{web}:8083;", None),
}

# label -> (the TXT records at _mta-sts, the same). The policy is a good one.
RECORDS = {
    "norecord": ([], None), "tworecords": (["v=STSv1; id=1;", "v=STSv1; id=2;"], None), "noid": (["v=STSv1;"], None),
    "emptyid": (["v=STSv1; id=;"], None), "longid": (["v=STSv1; id=" + "7" * 33], None), "oddid": (["v=STSv1; id=a-b;"], None),
    "longestid": (["v=STSv1; id=" + "7" * 32 + ";"], ENFORCE), "plainend": (["v=STSv1;id=1"], ENFORCE),
    "spread": (["v=STSv1 ;  id=1 ; "], ENFORCE), "noise": (["v=spf1 -all", "v=STSv1; id=1;", "hello"], ENFORCE),
    "extended": (["v=STSv1; id=1; colour=green;"], ENFORCE), "laterversion": (["v=STSv10; id=1;"], None),
    "both": (["v=STSv10; id=1;", "v=STSv1; id=1;"], ENFORCE), "small": (["v=stsv1; id=1;"], None),
    "idfirst": (["id=1; v=STSv1;"], None),
    "twoids": (["v=STSv1; id=1; id=2;"], None),
}

# Where we mean to differ: label -> what postfix-mta-sts-resolver makes of it.
DIFFERENT = {
    "older": None,  # a max_age beyond the greatest there may be: we cut it, it drops the policy
    "twice": None,  # of a key that comes twice it takes the last; RFC 8461 section 3.2 the first
    "accents": None,  # the value of an unknown key may be UTF-8 (the same section); it wants ASCII
    "both": None,  # it takes v=STSv10 for a second record
    # What the grammar does not let pass, and it does:
    "badmx": ENFORCE, "nocolon": ENFORCE, "emptyid": ENFORCE, "longid": ENFORCE, "oddid": ENFORCE, "twoids": ENFORCE,
}


class MtaStsOracle(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1)
        self.ca = certs.Authority(self.lan.work / "ca")
        self.other = certs.Authority(self.lan.work / "other", "Some Other Authority")
        self.web = mtasts.Server(self.lan.host("web", software=["nginx"]), self.ca)
        self.zone = dnszone.Zone(TOP)
        self.expected = {}

    # ---- the world

    def sink(self, name, *certified):
        """A scripted server that has a good certificate for these names."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.ca.issue(name, *certified))
        sink = smtpsink.SmtpSink(self.lan.host(name), 25, tls=context, extensions=["STARTTLS"])
        self.addCleanup(sink.close)
        return sink

    def domain(self, label, expected, text=GOOD, records=None, cert=None, answer=None):
        """A domain whose mail goes to mx.<domain>, with a policy."""
        self.expected[label] = expected
        self.zone.mx(label, 10, f"mx.{label}").address(f"mx.{label}", self.mx.address)
        self.web.publish(self.zone, below=label, policy=text.replace("{}", label), cert=cert or self.shared,
                         answer=answer and answer.replace("{web}", self.web.host.v4))
        if records is not None:
            self.zone.drop(f"_mta-sts.{label}", "TXT")
            for record in records:
                self.zone.txt(f"_mta-sts.{label}", record)

    def publish(self):
        labels = [*TEXTS, *ANSWERS, *RECORDS]
        more = ["wrongname", "selfsigned", "late", "early", "wildcard", "aliased", "nohost", "nobody", "split"]
        self.mx = self.sink("mx", *(MX.format(label) for label in labels + more))
        shared = [*labels, "aliased", "nohost", "nobody", "split"]
        self.shared = self.ca.issue("sts", *(f"mta-sts.{label}.{TOP}" for label in shared))
        for label, (text, expected) in TEXTS.items():
            self.domain(label, expected, text)
        for label, (answer, expected) in ANSWERS.items():
            self.domain(label, expected, answer=answer)
        for label, (records, expected) in RECORDS.items():
            self.domain(label, expected, records=records)
        self.web.host.write("/srv/mx.txt", GOOD.replace("{}", "charset"))
        self.publish_certificates()
        self.domain("aliased", ENFORCE, records=[])
        self.zone.cname("_mta-sts.aliased", "_mta-sts.ok")
        self.domain("split", ENFORCE, records=[])
        self.zone.add("_mta-sts.split", "TXT", '"v=STSv1; " "id=1" "23;"')
        self.domain("nohost", None)
        self.zone.drop("mta-sts.nohost")
        self.domain("nobody", None)
        self.zone.drop("mta-sts.nobody").address("mta-sts.nobody", self.mx.address)

    def publish_certificates(self):
        name = "mta-sts.{}." + TOP
        others = [f"wrongname.{TOP}", f"*.mta-sts.wrongname.{TOP}", f"*.{TOP}"]
        self.domain("wrongname", None, cert=self.ca.issue("wrongname", *others))
        self.domain("selfsigned", None, cert=self.other.issue("selfsigned", name.format("selfsigned")))
        for label, year in (("late", 2020), ("early", 2048)):
            self.domain(label, None, cert=self.ca.issue(label, name.format(label), start=f"{year}0101000000Z",
                                                        end=f"{year}0201000000Z"))
        self.domain("wildcard", ENFORCE, cert=self.ca.issue("wildcard", f"*.wildcard.{TOP}"))

    def start_slow_ones(self):
        plain = {"Content-Type": "text/plain"}
        for port, answer in ((8081, httpsink.Answer(headers=plain, drip=0.5)), (8082, httpsink.Answer(delay=60)),
                             (8083, httpsink.Answer(headers=plain, drip=0))):
            server = httpsink.HttpSink(self.web.host, port)
            server.always(answer)
            self.addCleanup(server.close)

    def start(self):
        self.web.start()
        dns = dnszone.Nsd(self.lan.host("dns", software=["nsd"]), [self.zone]).start()
        resolver = dnszone.Unbound(self.lan.host("res", software=["unbound"]), {TOP: dns.host.v4}).start()
        self.nsd, self.resolver, trusted = dns, resolver.host.v4, self.ca.root.read_text()
        self.us.resolver(resolver.host.v4)
        self.us.write("/etc/ssl/certs/ca-certificates.crt", trusted)
        self.oracle = stsresolver.Resolver(self.lan.host("oracle", software=["sts-resolver"]), trusted)
        self.oracle.host.resolver(resolver.host.v4)
        self.oracle.start()
        self.suite = suite.Suite(CONFIG, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())

    # ---- mail

    def submit(self, domains):
        with client.connect("192.0.2.1", 587) as smtp:
            client.plain(smtp, "ann@us.test", "secret")
            for domain in domains:
                smtp.sendmail("ann@us.test", [f"a@{domain}"], client.message(f"a@{domain}", domain, sender="ann@us.test"))

    def outcomes(self, domains, count=1):
        """domain -> its last entry in the log, once each has so many of them."""
        found = {}

        def there():
            found.clear()
            for entry in self.suite.log():
                if entry.get("m") in ("delivered", "deferred", "failed") and entry.get("rcpt", "").startswith("a@"):
                    found.setdefault(entry["rcpt"][2:], []).append(entry)
            return all(len(found.get(domain, [])) >= count for domain in domains)
        wait.until(there, SOON, lambda: f"an outcome for {[one for one in domains if len(found.get(one, [])) < count]}")
        return {domain: found[domain][-1] for domain in domains}

    def theirs(self, labels):
        """label -> what the other resolver says. That there is no policy it may say too soon: it is asked again."""
        def ask(label):
            said = self.oracle.ask(f"{label}.{TOP}")
            return self.oracle.ask(f"{label}.{TOP}") if said is None and self.expected[label] else said
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            return dict(zip(labels, pool.map(ask, labels)))

    # ---- tests

    def test_the_resolver_for_postfix_comes_to_the_same(self):
        self.start_slow_ones()
        self.publish()
        self.start()
        labels = list(self.expected)
        self.submit(f"{label}.{TOP}" for label in labels)
        theirs = self.theirs(labels)
        outcomes = self.outcomes([f"{label}.{TOP}" for label in labels])
        fetched = {entry["domain"]: entry["mode"] for entry in self.suite.find_log(m="policy fetched")}
        why = {entry["domain"]: entry["why"] for entry in self.suite.find_log(m="policy not fetched")}
        faults = []
        for label, expected in self.expected.items():
            domain = f"{label}.{TOP}"
            mode = fetched.get(domain)
            ours, (their_mode, patterns) = None if mode == "none" else mode, theirs[label] or (None, [])
            entry = outcomes[domain]
            became = f"{entry['m']} {entry.get('tls', '')}"
            if ours != expected:
                faults.append(f"{label}: expected {expected}, ours {ours} ({why.get(domain)})")
            elif their_mode != DIFFERENT.get(label, expected):
                faults.append(f"{label}: ours {ours} ({why.get(domain)}), theirs {their_mode}")
            if not became.endswith(to_become(ours, patterns if their_mode else None, MX.format(label))):
                faults.append(f"{label}: {became} under {ours} with {patterns}")
        if faults:
            self.fail(f"{len(faults)} faults in {len(labels)} domains\n" + "\n".join(faults))
        print(len(labels), "domains", end=" ")
        self.suite.stop()

    def test_an_alias_leads_nobody_past_the_policy(self):
        # Nothing is signed. Somebody who can forge answers says that victim is an alias of a domain of his, where all is well:
        # MX records, a policy, certificates.
        evil = self.sink("evil", f"mx.evil.{TOP}")
        honest = self.sink("honest", f"mx.victim.{TOP}")
        self.zone.mx("evil", 10, "mx.evil").address("mx.evil", evil.address).address("mx.victim", honest.address)
        self.web.publish(self.zone, "enforce", [f"mx.evil.{TOP}"], below="evil")
        self.web.publish(self.zone, "enforce", [f"mx.victim.{TOP}"], below="victim")
        self.zone.cname("victim", f"evil.{TOP}.").cname("open", f"evil.{TOP}.")
        self.start()
        victim, open_ = f"victim.{TOP}", f"open.{TOP}"
        with capture.Capture() as link:
            self.submit([victim])
            self.refused(victim)
            self.assertEqual({line.split()[0] for line in self.web.requests()}, {f"mta-sts.{victim}"})
            # The policy is known now. That its record and its web server are gone, and that we begin anew, changes nothing.
            self.zone.drop("_mta-sts.victim")
            self.nsd.reload()
            wait.until(lambda: not dnsquery.ask(self.resolver, f"_mta-sts.{victim}", dnsquery.TXT)[2], 20, "the record's end")
            self.web.stop()
            self.submit([victim])
            self.refused(victim, 2)
            self.suite.kill()
            self.suite.start()
            self.submit([victim])
            self.refused(victim, 3)
        self.assertNotIn(evil.address, link.sent(25))
        self.assertEqual(evil.sessions, [])
        # Whose domain has no policy goes where the alias leads, and that one's policy is not asked for.
        self.web.start()
        self.submit([open_, f"evil.{TOP}"])
        became = self.outcomes([open_, f"evil.{TOP}"])
        self.assertTrue(became[open_]["tls"].endswith(" unverified; policy may"), became)
        self.assertTrue(became[f"evil.{TOP}"]["tls"].endswith(" verified; policy sts"), became)
        # The honest answer again: the policy that was known lets mail through.
        self.zone.drop("victim").mx("victim", 10, "mx.victim")
        self.nsd.reload()
        tries = itertools.count(4)

        def arrives():
            self.submit([victim])
            return self.outcomes([victim], next(tries))[victim]["tls"].endswith(" verified; policy sts")
        wait.until(arrives, 20, "mail to the honest server")
        self.assertEqual(len(honest.mails), 1)
        self.suite.stop()

    def refused(self, domain, count=1):
        entry = self.outcomes([domain], count)[domain]
        self.assertEqual((entry["m"], entry["tls"]), ("deferred", "policy sts-mismatch"), entry)


def to_become(mode, patterns, host):
    """The end of what is to be told of a delivery under a policy; patterns: the other resolver's, None: it has none."""
    if mode != ENFORCE:
        return " unverified; policy may"
    listed = patterns is None or any(matches(pattern, host) for pattern in patterns)
    return " verified; policy sts" if listed else "deferred policy sts-mismatch"


def matches(pattern, host):
    """RFC 8461 section 4.1."""
    pattern = pattern.lower().rstrip(".")
    return host.split(".", 1)[1] == pattern[2:] if pattern.startswith("*.") else host == pattern


if __name__ == "__main__":
    case.main()
