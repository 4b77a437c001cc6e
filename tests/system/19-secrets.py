"""Secrets are in vault's memory and in no other process's, and a password is in nobody's once it was checked."""

import base64
import hashlib
import os
import pathlib
import re
import ssl
import subprocess

from harness import (api, case, certs, client, dante, dkimkeys, dnszone, dovecot, httpsink, memory, postfix, smtpsink,
                     suite)

CONFIG = """
hostname mx.us.test
listen public {
    address 192.0.2.1   smtp 25   submission 587   submissions 465   http 80   webapi yes
    certificate-file "tls.pem"   key-file "tls.key"
}
domain us.test {
%s}
account ann {
    address ann@us.test
    webhook outgoing { url "http://192.0.2.3/"  signing-key-file "hook.key" }
}
webhooks { allow-private yes }
transport sink { smtp { host 192.0.2.2  tls none } }
transport relay { submission { host relay.test  auth { user "out@relay.test"  password-file "relay.pw"  %s } } }
route { to .relayed.example  transport relay }
route { transport sink }
"""
# What a transport shows a server that wants a certificate of ours and a token, and another one a proxy.
SHOWN = """
transport token { submission { host relay.test  auth {
    user "out@relay.test"  token-file "relay.token"  certificate-file "client.pem"  key-file "client.key"  %s } } }
transport proxied { socks { address 192.0.2.5:1080  auth { user quartz  password-file "proxy.pw" } } }
route { to .token.example  transport token }
route { to .proxied.example  transport proxied }
"""
TOKEN = "token-" + os.urandom(16).hex()
PROXY_PASSWORD = "proxy-password-" + os.urandom(6).hex()
RELAY_PASSWORD = "smarthost-password-" + os.urandom(6).hex()
PASSWORD = "Pa55word-that-nobody-keeps-" + os.urandom(6).hex()


def der(pem):
    return base64.b64decode("".join(line for line in pem.splitlines() if "-----" not in line))


def parts(pem):
    """name -> octets of each private number that openssl shows of a key, in both orders of octets."""
    text = subprocess.run(["openssl", "pkey", "-text", "-noout"], input=pem, capture_output=True, text=True,
                          check=True).stdout
    found = {}
    for name, block in re.findall(r"(?m)^(priv|privateExponent|prime1|prime2|exponent1|exponent2|coefficient):"
                                  r"((?:\n +[0-9a-f:]+)+)", text):
        number = bytes.fromhex(re.sub(r"[\s:]", "", block)).lstrip(b"\0")
        found[name] = number
        found[f"{name} reversed"] = number[::-1]  # as big numbers lie in memory
    return found


def needles_of(name, pem):
    """What to look for of this key: as it lies in its file, and each of its numbers."""
    body = [one for one in pem.splitlines() if "-----" not in one]
    return {f"{name} DER": der(pem), f"{name} PEM": max(body, key=len).encode(),
            **{f"{name} {part}": octets for part, octets in parts(pem).items()}}


class Secrets(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1)
        self.sink = smtpsink.SmtpSink(self.lan.host("sink", 2), 25)
        self.addCleanup(self.sink.close)
        keys = dkimkeys.Keys("us.test", rsa="r", ed25519="e")
        self.suite = suite.Suite("", host=self.us)
        cert, key = certs.Authority(self.suite.folder / "ca").issue("mx", "mx.us.test")
        self.suite.add_file("tls.pem", cert.read_text())
        self.suite.add_file("tls.key", key.read_text())
        self.suite.add_file("relay.pw", RELAY_PASSWORD + "\n")
        self.config = CONFIG.replace("%s", keys.files(self.suite), 1)
        self.suite.write_config(self.config % "")
        line = api.credentials({"ann": PASSWORD})
        self.suite.add_file("state/credentials", line)
        signing = os.urandom(32)
        self.suite.add_file("hook.key", f"whsec_{base64.b64encode(signing).decode()}\n")
        self.hooks = httpsink.HttpSink(self.lan.host("app", 3), 80)
        self.addCleanup(self.hooks.close)
        self.keys = {"signing": signing, "signing in base64": base64.b64encode(signing)}
        for name, pem in (("tls", key.read_text()), ("rsa", keys.pem["rsa"]), ("ed25519", keys.pem["ed25519"])):
            self.keys.update(needles_of(name, pem))
        stored, server = re.search(r"\$([^$:]+):([^$:\s]+)$", line).groups()
        for name, text in (("StoredKey", stored), ("ServerKey", server)):
            self.keys[name], self.keys[f"{name} in base64"] = base64.b64decode(text), text.encode()
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())

    def pids(self):
        status = self.suite.qmctl("status")
        return {"master": status["pid"], **{one["name"]: one["pid"] for one in status["processes"]}}

    def where(self, needles):
        """process -> needle -> place, of what is found."""
        found = {name: memory.search(pid, needles) for name, pid in self.pids().items()}
        return {name: places for name, places in found.items() if places}

    def use_everything(self):
        """Every secret is used, by every way that uses it."""
        for how in ({"starttls": True}, {"implicit": True}):
            for login in (client.plain, client.scram):
                with client.connect(self.us.v4, 465 if "implicit" in how else 587, **how) as smtp:
                    login(smtp, "ann@us.test", PASSWORD)
                    smtp.sendmail("ann@us.test", ["b@example.net"],
                                  client.message("b@example.net", "x", sender="ann@us.test"))
        web = api.Api(self.us.v4, 80, "ann@us.test", PASSWORD)
        self.assertEqual(web.call("Send", {"To": [{"Address": "b@example.net"}], "Text": "x"}).status, 200)
        self.sink.wait(5)
        for request in self.hooks.wait(5):
            self.assertRegex(request.headers["webhook-signature"], "^v1,")

    def test_keys_and_verifiers_are_vaults_alone(self):
        self.use_everything()
        found = self.where(self.keys)
        self.assertEqual(set(found), {"vault/0"}, found)
        for name in ("StoredKey", "tls priv reversed", "rsa privateExponent reversed", "ed25519 priv", "signing"):
            self.assertIn(name, found["vault/0"], "what is looked for can be found")
        self.suite.stop()

    def test_a_password_is_nobodys_once_it_was_checked(self):
        self.use_everything()
        needles = {"password": PASSWORD.encode(),
                   "AUTH PLAIN": base64.b64encode(f"\0ann@us.test\0{PASSWORD}".encode())[24:],
                   "Basic": base64.b64encode(f"ann@us.test:{PASSWORD}".encode())[16:],
                   "SaltedPassword": self.salted()}
        self.assertEqual(self.where(needles), {})
        self.assertIn("vault/0", self.where({"control": b"ann@us.test"}), "what is looked for can be found")
        with client.connect(self.us.v4, 587, starttls=True) as smtp:
            with self.assertRaises(Exception):
                client.plain(smtp, "ann@us.test", PASSWORD + "-wrong")
        guess = api.Api(self.us.v4, 80, "ann@us.test", PASSWORD + "-wrong")
        self.assertEqual(guess.call("Send", {}).status, 401)
        self.assertEqual(self.where({"wrong password": f"{PASSWORD}-wrong".encode()}), {})
        self.check_files(needles)
        self.suite.stop()

    def salted(self):
        text = (self.suite.folder / "state/credentials").read_text()
        iterations, salt = re.search(r"SHA-256\$(\d+):([^$]+)\$", text).groups()
        return hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), base64.b64decode(salt), int(iterations))

    def check_files(self, needles):
        """Neither the log nor the store has a secret."""
        everything = {**self.keys, **needles}
        for path in [self.suite.log_path, *pathlib.Path(self.suite.folder / "state/queue").rglob("*")]:
            if path.is_file():
                octets = path.read_bytes()
                self.assertEqual([name for name, needle in everything.items() if needle in octets], [], path)

    def relay(self):
        """Postfix with Dovecot's SASL, which takes the smarthost's password in any form."""
        host = self.lan.host("relay", 4, software=["postfix", "dovecot"])
        ca = certs.Authority(self.lan.work / "roots")
        self.us.write("/etc/ssl/certs/ca-certificates.crt", ca.root.read_text())
        cert, key = ca.issue("relay", "relay.test")
        host.write("/etc/tls.pem", cert.read_text())
        host.write("/etc/tls.key", key.read_text())
        zone = dnszone.Zone("relay.test").address("@", host.v4)
        dns = dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), [zone]).start()
        self.lan.resolve_through(dns.host)
        dovecot.Dovecot(host, {"out@relay.test": RELAY_PASSWORD}).start()
        return postfix.Postfix(host, ["a.relayed.example"], listeners="587 inet n - n - - smtpd", settings={
            "smtpd_tls_security_level": "encrypt", "smtpd_tls_cert_file": "/etc/tls.pem",
            "smtpd_tls_key_file": "/etc/tls.key", "smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": f"inet:127.0.0.1:{dovecot.SASL}",
            "smtpd_relay_restrictions": "permit_sasl_authenticated, reject"}).start(587)

    def test_the_password_for_a_smarthost_is_vaults_alone(self):
        server = self.relay()
        self.suite.stop()  # it began without the authority and the name server
        self.suite.start()
        needles = {"password": RELAY_PASSWORD.encode()}
        for text in (f"\0out@relay.test\0{RELAY_PASSWORD}", RELAY_PASSWORD):  # as PLAIN and LOGIN have it
            encoded = base64.b64encode(text.encode())
            needles[f"{len(encoded)} octets of base64"] = encoded[24:-4]
        for n, mechanism in enumerate(("SCRAM-SHA-256", "PLAIN", "LOGIN", "CRAM-MD5"), 1):
            self.suite.write_config(self.config % f"mechanisms {mechanism}")
            self.suite.qmctl("reload")
            with client.connect(self.us.v4, 587, starttls=True) as smtp:
                client.plain(smtp, "ann@us.test", PASSWORD)
                smtp.sendmail("ann@us.test", ["b@a.relayed.example"],
                              client.message("b@a.relayed.example", f"m{n}", sender="ann@us.test"))
            server.mailbox().wait(n)
            server.wait_log(f"sasl_method={mechanism}")
            found = self.where(needles)
            self.assertEqual(set(found), {"vault/0"}, (mechanism, found))
            self.assertIn("password", found["vault/0"], "what is looked for can be found")
        self.check_files(needles)
        self.suite.stop()

    def servers(self):
        """A server that wants a certificate of ours and then a token, and a proxy that wants a password. Returns the
        servers that mail ends at, and what of the client's key to look for."""
        ca = certs.Authority(self.lan.work / "roots")
        self.us.write("/etc/ssl/certs/ca-certificates.crt", ca.root.read_text())
        wanted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        wanted.load_cert_chain(*ca.issue("relay", "relay.test"))
        wanted.load_verify_locations(ca.root)
        wanted.verify_mode = ssl.CERT_REQUIRED
        relay = smtpsink.SmtpSink(self.lan.host("relay", 4), 587, tls=wanted,
                                  extensions=["STARTTLS", "AUTH OAUTHBEARER XOAUTH2"])
        self.addCleanup(relay.close)
        zones = [dnszone.Zone("relay.test").address("@", "192.0.2.4"),
                 dnszone.Zone("proxied.example").mx("a", 10, "mx").address("mx", "192.0.2.2")]
        dns = dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), zones).start()
        self.lan.resolve_through(dns.host)
        dante.Dante(self.lan.host("proxy", 5, software=["dante"]), {"quartz": PROXY_PASSWORD}).start()
        cert, key = ca.issue("client", "us.client.test")
        for name, text in (("client.pem", cert.read_text()), ("client.key", key.read_text()),
                           ("relay.token", TOKEN + "\n"), ("proxy.pw", PROXY_PASSWORD + "\n")):
            self.suite.add_file(name, text)
        return relay, needles_of("client", key.read_text())

    def test_what_transports_show_to_servers_and_proxies_is_vaults_alone(self):
        relay, needles = self.servers()
        needles.update({"token": TOKEN.encode(), "proxy password": PROXY_PASSWORD.encode()})
        self.suite.stop()
        for n, mechanism in enumerate(("OAUTHBEARER", "XOAUTH2"), 1):
            # Before the route that takes all.
            self.suite.write_config((self.config % "").replace("route { transport sink }", SHOWN % f"mechanisms {mechanism}"
                                                               + "route { transport sink }"))
            if n == 1:
                self.suite.start()
            else:
                self.suite.qmctl("reload")
            with client.connect(self.us.v4, 587, starttls=True) as smtp:
                client.plain(smtp, "ann@us.test", PASSWORD)
                for to in ("b@a.token.example", "b@a.proxied.example"):
                    smtp.sendmail("ann@us.test", [to], client.message(to, f"m{n}", sender="ann@us.test"))
            relay.wait(n)
            self.sink.wait(n)
            self.suite.wait_log(m="delivered", count=2 * n)
            shown, = [line for line in relay.sessions[-1].lines if line.startswith(f"AUTH {mechanism} ")]
            self.assertIn(TOKEN.encode(), base64.b64decode(shown.split()[2]))
            needles[f"{mechanism} in base64"] = shown.encode()[-44:-4]
            found = self.where(needles)
            self.assertEqual(set(found), {"vault/0"}, (mechanism, found))
            for name in ("proxy password", "client priv reversed"):
                self.assertIn(name, found["vault/0"], "what is looked for can be found")
            self.assertNotIn("token", found["vault/0"])  # which reads it when it needs it
        self.check_files(needles)
        self.suite.stop()

    def test_a_new_password_is_nobodys_either(self):
        fresh = "fresh-" + os.urandom(9).hex()
        self.suite.qmctl("account", "password", "ann", input=fresh + "\n")
        with client.connect(self.us.v4, 587, starttls=True) as smtp:
            client.plain(smtp, "ann@us.test", fresh)
        self.assertEqual(self.where({"password": fresh.encode(), "old StoredKey": self.keys["StoredKey"]}), {})
        self.suite.stop()


if __name__ == "__main__":
    case.main()
