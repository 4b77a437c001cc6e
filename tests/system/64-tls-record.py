"""What we keep of a connection's TLS, held against what the server wrote into Received, and against what openssl sees."""

import re
import subprocess

from harness import api, case, certs, client, dnszone, exim, postfix, suite

CONFIG = """
hostname us.test
listen public { address 192.0.2.1  submission 587  require-tls-for-auth no }
domain us.test { }
account ann { address ann@us.test }
"""
WAY = "transport %(name)s { smtp { host %(host)s.p.test  port %(port)d  tls %(tls)s } }\nroute { to %(name)s.test  transport %(name)s }\n"
# name -> kind of key, version of TLS, whether the server asks for a certificate, authority that we know
SERVERS = {"rsa12": ("rsa", "1.2", False, True), "ec12": ("ec", "1.2", False, True), "ec13": ("ec", "1.3", False, True),
           "rsa13": ("rsa", "1.3", False, True), "asks": ("ec", "1.3", True, True), "asks12": ("rsa", "1.2", True, True),
           "other": ("ec", "1.3", False, False)}


class TlsRecord(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1)
        self.ca = certs.Authority(self.lan.work / "ca")
        self.strange = certs.Authority(self.lan.work / "strange", "Some Other Authority")
        self.us.write("/etc/ssl/certs/ca-certificates.crt", self.ca.root.read_text())
        self.ciphers = subprocess.run(["openssl", "ciphers", "-stdname", "ALL"], capture_output=True, text=True, check=True).stdout
        self.ports = {name: 2500 + n for n, name in enumerate(SERVERS)}

    def certificates(self, host):
        """One for each server, in /etc/<name>.pem and .key."""
        host.write("/etc/ca.pem", self.ca.root.read_text())
        for name, (kind, _, _, known) in SERVERS.items():
            cert, key = (self.ca if known else self.strange).issue(f"{host.name}-{name}", f"{host.name}.p.test", rsa=kind == "rsa")
            host.write(f"/etc/{name}.pem", cert.read_text())
            host.write(f"/etc/{name}.key", key.read_text())

    def start(self, host):
        zone = dnszone.Zone("p.test").address(host.name, host.v4)
        dns = dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), [zone]).start()
        self.lan.resolve_through(dns.host)
        ways = "".join(WAY % {"name": name, "host": host.name, "port": self.ports[name], "tls": "required" if known else "opportunistic"}
                       for name, (_, _, _, known) in SERVERS.items())
        self.suite = suite.Suite(CONFIG + ways, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())

    def send(self, peer):
        """One message to each server. Returns name -> (what we keep: version, cipher, verified; what openssl sees; Received)."""
        with client.connect("192.0.2.1", 587) as smtp:
            client.plain(smtp, "ann@us.test", "secret")
            for name in SERVERS:
                smtp.sendmail("ann@us.test", [f"b@{name}.test"], client.message(f"b@{name}.test", name, sender="ann@us.test"))
        came = {message["Subject"]: message["Received"] for message in peer.mailbox().wait(len(SERVERS))}
        self.suite.wait_log(m="delivered", count=len(SERVERS))
        kept = {}
        for row in self.suite.qmctl("retired", "list"):
            said = self.suite.qmctl("retired", "show", row["id"])["history"][0]["tls"]
            version, cipher, group, word = re.match(r"TLSv(\S+) (\S+) (\S+) (verified|unverified);", said).groups()
            kept[row["to"].removeprefix("b@").removesuffix(".test")] = (version, cipher, word == "verified")
            self.assertEqual(group.upper(), "X25519")
        return {name: (kept[name], self.openssl(peer.host, name), " ".join(came[name].split())) for name in SERVERS}

    def openssl(self, host, name):
        done = self.us.run(["openssl", "s_client", "-starttls", "smtp", "-connect", f"{host.v4}:{self.ports[name]}", "-brief", "-CAfile",
                            "/etc/ssl/certs/ca-certificates.crt", "-verify_hostname", f"{host.name}.p.test"], input="QUIT\r\n", check=False)
        said = done.stdout + done.stderr
        return (re.search("Protocol version: TLSv(.*)", said)[1], re.search("Ciphersuite: (.*)", said)[1], "Verification: OK" in said)

    def check(self, kept, seen, name):
        """OpenSSL has names of its own for ciphers; the ones of the registry are kept."""
        _, version, _, known = SERVERS[name]
        official = re.search(rf"(?m)^(\S+) +- {seen[1]} ", self.ciphers)[1]
        self.assertEqual(kept, (seen[0], official, seen[2]))
        self.assertEqual((kept[0], kept[2]), (version, known))

    def test_postfix_saw_the_same(self):
        host = self.lan.host("postfix", software=["postfix"])
        self.certificates(host)
        lines = "\n".join(f"{self.ports[name]} inet n - n - - smtpd -o smtpd_tls_chain_files=/etc/{name}.key,/etc/{name}.pem "
                          f"-o smtpd_tls_protocols=TLSv{version} -o smtpd_tls_ask_ccert={'yes' if asks else 'no'}"
                          for name, (_, version, asks, _) in SERVERS.items())
        peer = postfix.Postfix(host, [f"{name}.test" for name in SERVERS], listeners=lines, settings={
            "smtpd_tls_security_level": "may", "smtpd_tls_received_header": "yes", "smtpd_tls_CAfile": "/etc/ca.pem"})
        peer.start(2500)
        self.start(host)
        for name, (kept, seen, received) in self.send(peer).items():
            with self.subTest(name):
                self.check(kept, seen, name)
                version, cipher, _ = kept
                self.assertIn(f"(using TLSv{version} with cipher {seen[1]} (", received)
                kind, _, asks, _ = SERVERS[name]
                self.assertIn("(Client did not present a certificate)" if asks else "(No client certificate requested)", received)
                if version == "1.3":
                    self.assertIn(f"server-signature {'RSA-PSS' if kind == 'rsa' else 'ECDSA'}", received)
        self.suite.stop()

    def test_exim_saw_the_same(self):
        host = self.lan.host("exim", software=["exim"])
        self.certificates(host)
        host.run(["sh", "-c", "chmod 644 /etc/*.key"])
        host.write("/etc/names", "".join(f"{port}: {name}\n" for name, port in self.ports.items()))
        host.write("/etc/versions", "".join(f"{self.ports[name]}: {version}\n" for name, (_, version, _, _) in SERVERS.items()))
        asking = " : ".join(str(self.ports[name]) for name, (_, _, asks, _) in SERVERS.items() if asks)
        settings = f"""
tls_certificate = /etc/${{lookup{{$received_port}}lsearch{{/etc/names}}}}.pem
tls_privatekey = /etc/${{lookup{{$received_port}}lsearch{{/etc/names}}}}.key
tls_require_ciphers = ${{lookup{{$received_port}}lsearch{{/etc/versions}}{{NORMAL:-VERS-ALL:+VERS-TLS$value}}{{NORMAL}}}}
tls_verify_certificates = /etc/ca.pem
tls_try_verify_hosts = ${{if inlist{{$received_port}}{{{asking}}}{{*}}}}
daemon_smtp_ports = {" : ".join(map(str, self.ports.values()))}
"""
        peer = exim.Exim(host, [f"{name}.test" for name in SERVERS], settings=settings)
        text = host.path("/etc/exim4/exim4.conf").read_text()
        host.write("/etc/exim4/exim4.conf", text.replace("tls_advertise_hosts =\n", "tls_advertise_hosts = *\n"))
        peer.launch(["exim4", "-bdf", "-q2s"], 2500)
        self.start(host)
        for name, (kept, seen, received) in self.send(peer).items():
            with self.subTest(name):
                self.check(kept, seen, name)
                version, cipher, _ = kept
                # Exim puts the names of TLS 1.3 together as if they were older ones.
                named = cipher if version == "1.2" else f"TLS_ECDHE_RSA_WITH_{cipher.removeprefix('TLS_')}"
                self.assertIn(f" (TLS{version}) tls {named} ", received)
        self.suite.stop()


if __name__ == "__main__":
    case.main()
