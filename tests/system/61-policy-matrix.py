"""Every cell of MTA-STS x TLSA records x what the server does x what the message asks for (policy_cells.py), each a domain
and an address of its own, all at once; and what went over the link. Servers are scripted; where an honest one will do, Postfix
has the same cells once more."""

import re
import ssl

from harness import api, capture, case, certs, client, dnssec, mtasts, postfix, smtpsink, suite, wait

import policy_cells as cells

CONFIG = """
hostname us.test
listen public { address 192.0.2.1  submission 587  require-tls-for-auth no
    certificate-file cert.pem  key-file key.pem }
domain us.test { }
account ann { address ann@us.test }
smtp { transactions 10000 }
dns { timeout 20s }
mta-sts { allow-private yes }
queue { first-retry 1h }
deliver { idle-timeout 0 }
"""
TOP = "matrix.test"
OPTIONS = {"unset": [], "yes": ["REQUIRETLS"], "no": []}
EXTRA = {"unset": "", "yes": "", "no": "TLS-Required: No\r\n"}
SOON = 90  # seconds in which all of them must have come to something


class Broken:
    """In place of an SSLContext: what a server does that knows nothing newer than SSL 3.0."""

    def wrap_socket(self, sock, server_side):
        sock.recv(65536)
        sock.sendall(b"\x15\x03\x00\x00\x02\x02\x28")  # a fatal alert, handshake_failure
        raise ssl.SSLError("no version that both know")


def name_of(cell):
    """A label."""
    return "-".join(cell)


class PolicyMatrix(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1)
        self.ca = certs.Authority(self.lan.work / "ca")
        self.web = mtasts.Server(self.lan.host("web", software=["nginx"]), self.ca)
        self.cells = cells.every()
        self.address, self.sinks, self.postfix, self.certs = {}, {}, {}, {}

    # ---- servers

    def host(self, name, software=()):
        """A host with all addresses of a network of its own."""
        host = self.lan.host(name, software=software)
        network = f"2001:db8:{host.number:x}::/48"
        host.run(["ip", "-6", "route", "add", "local", network, "dev", "lo"])
        self.us.run(["ip", "-6", "route", "add", network, "via", host.v6])
        for number, cell in enumerate(cell for cell in self.cells if cell.server == name):
            self.address[cell] = f"2001:db8:{host.number:x}::{number + 1:x}"
        return host

    def start_sinks(self):
        for name in cells.SERVERS:
            tls, script = None, {}
            extensions = [] if name == "hidden" else ["STARTTLS"]
            if name in ("454", "502", "hidden"):
                script["STARTTLS"] = "454 4.7.0 not now" if name == "454" else "502 5.5.1 what is that"
            elif name == "drop":
                script["STARTTLS"] = smtpsink.Reply("220 2.0.0 go ahead", drop=True)
            elif name == "broken":
                tls = Broken()
            else:
                tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                tls.load_cert_chain(*self.certs[name])
                extensions.append("REQUIRETLS")
            self.sinks[name] = smtpsink.SmtpSink(self.host(name), 25, "::", extensions, tls=tls, script=script)
            self.addCleanup(self.sinks[name].close)

    def start_postfix(self):
        for name, like in cells.PLAIN.items():
            host = self.host(name, software=["postfix"])
            cert, key = self.certs[like]
            host.write("/etc/postfix/cert.pem", cert.read_text())
            host.write("/etc/postfix/key.pem", key.read_text())
            self.postfix[name] = postfix.Postfix(host, domains=["static:all"], listeners=postfix.CROWD_LISTENER, settings={
                **postfix.CROWD, "smtpd_tls_security_level": "may",
                "smtpd_tls_chain_files": "/etc/postfix/key.pem /etc/postfix/cert.pem"}).start()

    # ---- names

    def mx(self, cell):
        """The name of its host. One wildcard in a certificate covers all of a server."""
        return f"{name_of(cell)}.{cell.server}"

    def publish(self):
        """One zone that has all domains. What signs and what is signed is the same everywhere but where TLSA records are
        not to be had: there their signature is missing."""
        self.tree = dnssec.Tree(self.lan.work / "zones")
        zone = self.tree.zone(TOP)
        any_key = certs.tlsa(self.ca.root)
        own = {name: certs.tlsa(cert) for name, (cert, _) in self.certs.items()}
        shared = self.ca.issue("sts", *(f"mta-sts.{name_of(cell)}.{TOP}" for cell in self.cells if cell.sts != "none"))
        for cell in self.cells:
            name, mx = name_of(cell), self.mx(cell)
            zone.mx(name, 10, mx).address(mx, self.address[cell])
            good = own.get(cells.PLAIN.get(cell.server, cell.server), any_key)
            record = {"ok": good, "wrong": "3 1 1 " + "5a" * 32, "unusable": "0 0 1 " + good.split()[3],
                      "servfail": good, "none": None}[cell.tlsa]
            if record:
                zone.add(f"_25._tcp.{mx}", "TLSA", record)
            if cell.tlsa == "servfail":
                zone.spoil(f"_25._tcp.{mx}", "TLSA")
            if cell.sts != "none":
                listed = "mx.elsewhere.test" if cell.sts == "mismatch" else f"{mx}.{TOP}"
                self.web.publish(zone, "testing" if cell.sts == "testing" else "enforce", [listed], cert=shared, below=name)

    # ---- us

    def start(self):
        self.tree.start(self.lan.host("dns", software=["nsd"]), self.lan.host("res", software=["unbound"]))
        self.web.start()
        self.us.resolver(self.tree.resolver.host.v4)
        self.us.write("/etc/ssl/certs/ca-certificates.crt", self.ca.root.read_text())
        self.suite = suite.Suite(CONFIG, host=self.us)
        cert, key = self.ca.issue("us", "us.test")
        self.suite.add_file("cert.pem", cert.read_text())
        self.suite.add_file("key.pem", key.read_text())
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())

    def submit(self):
        with client.connect("192.0.2.1", 587, starttls=True) as smtp:
            client.plain(smtp, "ann@us.test", "secret")
            for cell in self.cells:
                to = f"a@{name_of(cell)}.{TOP}"
                smtp.sendmail("ann@us.test", [to], client.message(to, name_of(cell), sender="ann@us.test",
                                                                 extra=EXTRA[cell.asks]), OPTIONS[cell.asks])

    def entries(self):
        """cell -> what the log says became of its message."""
        known = {f"a@{name_of(cell)}.{TOP}": cell for cell in self.cells}
        return {known[entry["rcpt"]]: entry for entry in self.suite.log()
                if entry.get("m") in ("delivered", "deferred", "failed") and entry.get("rcpt") in known}

    def wait_for_all(self):
        found = {}

        def there():
            found.update(self.entries())
            return len(found) == len(self.cells)
        wait.until(there, SOON, lambda: f"an outcome for {[name_of(one) for one in self.cells if one not in found]}")
        return found

    # ---- what is held against what

    def seen_in_clear(self, link):
        """cell -> (whether somebody connected, whether anything of a message was to be read)."""
        sent = link.sent(25)
        return {cell: (address in sent, any(word in sent.get(address, b"") for word in (
            b"MAIL FROM", b"RCPT TO", b"DATA\r\n", b"Subject:", b"ann@us.test"))) for cell, address in self.address.items()}

    def arrived(self):
        """cell -> the TLS version its message came under, None for in clear; those that came."""
        known = {f"<a@{name_of(cell)}.{TOP}>": cell for cell in self.cells}
        came = {known[mail.recipients[0]]: mail.tls for sink in self.sinks.values() for mail in sink.mails}
        for peer in self.postfix.values():
            for message in peer.mailbox().messages():
                cell = known[message["Delivered-To"].join("<>")]
                by, = (line for line in message.get_all("Received") if f"by {peer.host.name}.test" in line)
                came[cell] = (re.search(r"with ESMTP(S?)", by)[1] and "TLS") or None
        return came

    def judge(self, link, entries):
        """Every fault as a line."""
        seen, came, faults = self.seen_in_clear(link), self.arrived(), []
        for cell in self.cells:
            expected, got = cells.outcome(cell), said(entries[cell])
            connected, clear = seen[cell]
            wrong = []
            if got != expected:
                wrong.append(f"expected {expected}, got {got}")
            if clear and not cells.may_go_in_clear(cell):
                wrong.append("MAIL FROM WAS SENT IN CLEAR, which is forbidden")
            if clear != (expected == cells.CLEAR):
                wrong.append(f"the link had {'something' if clear else 'nothing'} of it in clear")
            if connected != cells.is_tried(cell):
                wrong.append("somebody connected" if connected else "nobody connected")
            if (cell in came) != (expected in (cells.VERIFIED, cells.ENCRYPTED, cells.CLEAR)):
                wrong.append("it arrived" if cell in came else "it did not arrive")
            elif cell in came and (came[cell] is None) != (expected == cells.CLEAR):
                wrong.append(f"it arrived under {came[cell]}")
            if wrong:
                faults.append(f"{' '.join(cell)}: {'; '.join(wrong)} ({entries[cell].get('tls')}: {entries[cell].get('why')})")
        return faults

    def test_every_cell(self):
        for like, authority in (("good", self.ca), ("selfsigned", certs.Authority(self.lan.work / "own", "mx"))):
            servers = [like, *(plain for plain, one in cells.PLAIN.items() if one == like)]
            self.certs[like] = authority.issue("mx", *(f"*.{server}.{TOP}" for server in servers))
        self.start_sinks()
        self.start_postfix()
        self.publish()
        self.start()
        with capture.Capture() as link:
            self.submit()
            entries = self.wait_for_all()
        self.assertEqual(link.lost, 0, "frames that nobody looked at")
        faults = self.judge(link, entries)
        if faults:
            self.fail(f"{len(faults)} of {len(self.cells)} cells\n" + "\n".join(faults))
        print(f"{len(self.cells)} cells, {len(link.segments)} segments", end=" ")
        self.suite.stop()


def said(entry):
    """An entry of the log as one of the outcomes, or what is none of them."""
    if entry["m"] == "failed":
        return f"failed {entry.get('dsn')}"
    if entry["m"] == "deferred":
        return cells.DEFERRED
    tls = entry.get("tls", "")
    return cells.CLEAR if tls.startswith("clear") else cells.VERIFIED if " verified;" in tls else cells.ENCRYPTED


if __name__ == "__main__":
    case.main()
