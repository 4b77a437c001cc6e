"""Mail through smarthosts that ask for credentials: Postfix with Dovecot's SASL, Exim, and the suite itself."""

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import smtplib
import ssl
import time
import uuid

from harness import api, case, certs, client, dnszone, dovecot, exim, mailbox, postfix, scramsink, suite, wait

PASSWORD = "correct horse battery staple"
CONFIG = """
hostname us.test
log-level debug
listen public { address 192.0.2.1  submission 587  require-tls-for-auth no }
listen inside { address 192.0.2.1  http 80  metrics yes }
domain us.test { }
account ann { address ann@us.test }
queue { first-retry 2s  retry-jitter 0  attempts 30  destination-pause 1s  destination-recipients 2000 }
smtp { recipients 2000 }
transport relay { %s }
route { transport relay }
"""
SUBMISSION = """submission {
    host %s  port 587  command-timeout 10s
    auth { user "out@relay.test"  password-file "relay.pw"  %s }
}"""


class Login(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1)
        self.ca = certs.Authority(self.lan.work / "ca")
        self.us.write("/etc/ssl/certs/ca-certificates.crt", self.ca.root.read_text())
        self.zone = dnszone.Zone("relay.test")

    def names(self, **hosts):
        for name, host in hosts.items():
            self.zone.address(name, host.v4)
        self.dns = dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), [self.zone]).start()
        self.lan.resolve_through(self.dns.host)

    def tls(self, host, *names):
        cert, key = self.ca.issue(host.name, *names)
        host.write("/etc/tls.pem", cert.read_text())
        host.write("/etc/tls.key", key.read_text())

    def start(self, transport, password=PASSWORD):
        self.suite = suite.Suite(CONFIG % transport, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        self.suite.add_file("relay.pw", password + "\n")
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())

    def change(self, transport):
        self.suite.write_config(CONFIG % transport)
        self.suite.qmctl("reload")
        self.try_now()

    def try_now(self):
        self.suite.qmctl("queue", "kick", "--all", check=False)

    def submit(self, *to):
        token = uuid.uuid4().hex
        to = to or ("b@example.net",)
        with client.connect("192.0.2.1", 587) as smtp:
            client.plain(smtp, "ann@us.test", "secret")
            smtp.sendmail("ann@us.test", to, client.message(to[0], token, sender="ann@us.test"))
        return token

    def submitted(self):
        try:
            return self.submit()
        except smtplib.SMTPAuthenticationError:
            return None

    def counter(self, name, value):
        """Waits until delivery's counter of that name is at least so much: master asks now and then."""
        def look():
            text = api.Api("192.0.2.1", 80).get("/metrics").body.decode()
            return sum(float(number) for number in re.findall(rf"(?m)^quartermaster_delivery_{name}\S* (\S+)$", text))
        wait.until(lambda: look() >= value, 30, f"{name} of {value}")

    def mechanism(self, count):
        return self.suite.wait_log(m="logged in", count=count)["mechanism"]

    def relay(self, name="relay", mechanisms="plain login cram-md5 scram-sha-1 scram-sha-256", settings="", **main):
        """Postfix that relays for whoever logs in, into its own mailbox for example.net."""
        host = self.lan.host(name, software=["postfix", "dovecot"])
        self.tls(host, f"{name}.relay.test")
        users = dovecot.Dovecot(host, {"out@relay.test": PASSWORD}, mechanisms, settings).start()
        server = postfix.Postfix(host, ["example.net"], listeners="587 inet n - n - - smtpd", settings={
            "smtpd_tls_security_level": "encrypt", "smtpd_tls_cert_file": "/etc/tls.pem",
            "smtpd_tls_key_file": "/etc/tls.key", "smtpd_tls_auth_only": "yes", "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": f"inet:127.0.0.1:{dovecot.SASL}",
            "smtpd_relay_restrictions": "permit_sasl_authenticated, reject",
            "smtpd_recipient_restrictions": "permit_sasl_authenticated, reject", **main}).start(587)
        server.users = users
        return server

    def test_postfix_and_dovecot_know_us_by_each_mechanism(self):
        server = self.relay()
        self.names(relay=server.host)
        self.start(SUBMISSION % ("relay.relay.test", ""))
        self.submit()
        server.mailbox().wait(1)
        self.assertEqual(self.mechanism(1), "SCRAM-SHA-256")
        for n, name in enumerate(("SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"), 2):
            self.change(SUBMISSION % ("relay.relay.test", f"mechanisms {name} SCRAM-SHA-256"))
            self.submit()
            server.mailbox().wait(n)
            self.assertEqual(self.mechanism(n), name)
            server.wait_log(f"sasl_method={name}, sasl_username=out@relay.test")
        self.counter("auth_ok_total", 5)
        self.suite.stop()

    def test_a_refused_password_has_mail_wait_and_is_told(self):
        server = self.relay()
        self.names(relay=server.host)
        self.start(SUBMISSION % ("relay.relay.test", ""), password="wrong")
        self.suite.allow_error("cannot log in at the server")
        self.submit()
        line = self.suite.wait_log(m="cannot log in at the server: mail waits")
        self.assertEqual((line["l"], line["transport"], line["mechanism"]), ("error", "relay", "SCRAM-SHA-256"))
        self.assertIn("535", line["reply"])
        self.suite.wait_log(m="deferred", stage="auth")
        self.counter("auth_refused_total", 1)
        row, = self.suite.qmctl("queue", "list")
        self.assertIn("535", str(row))
        self.suite.add_file("relay.pw", PASSWORD + "\n")
        self.suite.qmctl("reload")
        self.try_now()
        server.mailbox().wait(1, timeout=60)
        wait.until(lambda: self.suite.qmctl("status")["queue"]["messages"] == 0, what="an empty queue")
        self.suite.stop()

    def test_a_server_that_offers_nothing_usable_has_mail_wait(self):
        server = self.relay(mechanisms="plain login")
        self.names(relay=server.host)
        self.start(SUBMISSION % ("relay.relay.test", "mechanisms SCRAM-SHA-256"))
        self.suite.allow_error("cannot log in at the server")
        self.submit()
        line = self.suite.wait_log(m="cannot log in at the server: mail waits")
        self.assertIn("offers: PLAIN LOGIN", line["why"])
        self.assertEqual(server.log().count("sasl_method"), 0)
        self.suite.stop()

    def test_no_password_is_shown_to_who_cannot_prove_who_he_is(self):
        server = self.relay(mechanisms="plain login", smtpd_tls_security_level="may", smtpd_tls_auth_only="no")
        self.names(relay=server.host)
        way = SUBMISSION.replace("port 587", "port 587  tls %s")
        self.start(way % ("relay.relay.test", "none", ""))
        self.suite.allow_error("cannot log in at the server")
        self.submit()
        line = self.suite.wait_log(m="cannot log in at the server: mail waits")
        self.assertIn("TLS did not prove", line["why"])
        self.change(way % ("relay.relay.test", "opportunistic", ""))
        self.suite.wait_log(m="cannot log in at the server: mail waits", count=2, timeout=60)
        self.assertNotIn("sasl_method", server.log())
        self.change(way % ("relay.relay.test", "opportunistic", "unverified yes"))
        server.mailbox().wait(1, timeout=60)
        self.suite.stop()

    def test_when_the_first_host_is_away_the_next_one_gets_the_mail(self):
        away, server = self.lan.host("away"), self.relay()
        self.names(relay=server.host, away=away)
        self.start(SUBMISSION % ("away.relay.test  fallback-host nowhere.relay.test relay.relay.test", ""))
        self.submit()
        server.mailbox().wait(1)
        self.assertEqual(self.mechanism(1), "SCRAM-SHA-256")
        self.suite.stop()

    def test_exim_takes_us_under_tls_from_the_first_octet(self):
        host = self.lan.host("exim", software=["exim"])
        self.tls(host, "exim.relay.test")
        host.run(["chmod", "644", "/etc/tls.key"])
        drivers = f"""
begin authenticators
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = {PASSWORD}
  server_set_id = $auth1
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${{if eq{{$auth3}}{{{PASSWORD}}}}}
  server_set_id = $auth2
  server_prompts = :
"""
        server = exim.Exim(host, ["example.net"], settings="tls_certificate = /etc/tls.pem\n"
                           "tls_privatekey = /etc/tls.key\ntls_on_connect_ports = 465",
                           rcpt_rules="  deny !authenticated = *\n")
        server.host.write("/etc/exim4/exim4.conf", host.path("/etc/exim4/exim4.conf").read_text() + drivers)
        server.start(465)
        self.names(exim=host)
        way = ('submissions { host exim.relay.test  auth { user "out@relay.test"  password-file "relay.pw"  %s } }')
        self.start(way % "")
        self.submit()
        server.mailbox().wait(1)
        self.assertEqual(self.mechanism(1), "CRAM-MD5")
        self.change(way % "mechanisms PLAIN")
        self.submit()
        server.mailbox().wait(2)
        self.assertEqual(self.mechanism(2), "PLAIN")
        self.assertEqual(len(re.findall(r"A=(?:cram|plain):out@relay.test", server.log_path.read_text())), 2)
        self.suite.stop()

    def our_certificate(self):
        """Settings that have ours shown, once `start` has made the suite's folder."""
        cert, key = self.ca.issue("client", "us.client.test")
        self.files = {"client.pem": cert.read_text(), "client.key": key.read_text()}
        return cert

    def start_with_certificate(self, transport):
        self.suite = suite.Suite(CONFIG % transport, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        for name, text in self.files.items():
            self.suite.add_file(name, text)
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())

    def test_exim_knows_us_by_our_certificate(self):
        host = self.lan.host("exim", software=["exim"])
        self.tls(host, "exim.relay.test")
        host.run(["chmod", "644", "/etc/tls.key"])
        host.write("/etc/ca.pem", self.ca.root.read_text())
        drivers = """
begin authenticators
external:
  driver = external
  public_name = EXTERNAL
  server_advertise_condition = $tls_in_certificate_verified
  server_param2 = ${certextract {subj_altname,dns,>:} {$tls_in_peercert}}
  server_condition = ${if forany {$auth2} {eq {$item}{$auth1}}}
  server_set_id = $auth1
"""
        server = exim.Exim(host, ["example.net"], settings="tls_certificate = /etc/tls.pem\n"
                           "tls_privatekey = /etc/tls.key\ntls_verify_certificates = /etc/ca.pem\n"
                           "tls_try_verify_hosts = *\ntls_on_connect_ports = 465",
                           rcpt_rules="  deny !authenticated = *\n")
        host.write("/etc/exim4/exim4.conf", host.path("/etc/exim4/exim4.conf").read_text() + drivers)
        server.start(465)
        self.names(exim=host)
        self.our_certificate()
        way = """submissions { host exim.relay.test  auth { %s
    certificate-file client.pem  key-file client.key  mechanisms EXTERNAL } }"""
        self.start_with_certificate(way % "user us.client.test")
        self.submit()
        server.mailbox().wait(1)
        self.assertEqual(self.mechanism(1), "EXTERNAL")
        self.assertEqual(len(re.findall("A=external:us.client.test", server.log_path.read_text())), 1)
        # Who it says we are, and nobody else.
        self.suite.allow_error("cannot log in at the server")
        self.change(way % "user somebody.else.test")
        self.submit()
        self.suite.wait_log(m="deferred", stage="auth")
        self.suite.stop()

    def test_postfix_lets_our_certificate_in_without_a_login(self):
        host = self.lan.host("relay", software=["postfix"])
        self.tls(host, "relay.relay.test")
        cert = self.our_certificate()
        der = ssl.PEM_cert_to_DER_cert(cert.read_text().split("-----END CERTIFICATE-----")[0] +
                                       "-----END CERTIFICATE-----\n")
        host.write("/etc/postfix/clients", ":".join(re.findall("..", hashlib.sha256(der).hexdigest().upper())) + " us\n")
        server = postfix.Postfix(host, ["example.net"], listeners="587 inet n - n - - smtpd", settings={
            "smtpd_tls_security_level": "encrypt", "smtpd_tls_cert_file": "/etc/tls.pem",
            "smtpd_tls_key_file": "/etc/tls.key", "smtpd_tls_ask_ccert": "yes",
            "smtpd_tls_fingerprint_digest": "sha256", "relay_clientcerts": "texthash:/etc/postfix/clients",
            "smtpd_relay_restrictions": "permit_tls_clientcerts, reject",
            "smtpd_recipient_restrictions": "permit_tls_clientcerts, reject"}).start(587)
        self.names(relay=host)
        way = "submission { host relay.relay.test  %s }"
        known = "auth { certificate-file client.pem  key-file client.key }"
        self.start_with_certificate(way % "")
        self.submit()
        self.suite.wait_log(m="failed", code="554")
        # A reload shows it, and another takes it away; and it is shown again when the vault was started anew.
        self.change(way % known)
        self.submit()
        server.mailbox().wait(1)
        self.suite.allow_error("process ended")
        os.kill(next(pid for pid, line in self.suite.processes().items() if "--name=vault/0" in line), signal.SIGKILL)
        wait.until(self.submitted, 20, "a vault that is back")
        server.mailbox().wait(2, timeout=60)
        self.change(way % "")
        self.submit()
        self.suite.wait_log(m="failed", code="554", count=2)
        self.suite.add_file("client.key", self.ca.issue("other", "us.client.test")[1].read_text())
        self.suite.write_config(CONFIG % (way % known))
        self.suite.allow_error("configuration not reloaded")
        refused = self.suite.qmctl("reload", check=False)
        self.assertIn("transport relay: the private key does not belong to the certificate", refused.stdout + refused.stderr)

    def test_exim_takes_what_a_password_proves(self):
        # Debian builds Exim without gsasl, so that nothing binds a login there to the channel; with Cyrus's SASL it has SCRAM.
        host = self.lan.host("exim", software=["exim", "cyrus-sasl"])
        self.tls(host, "exim.relay.test")
        host.run(["chmod", "644", "/etc/tls.key"])
        server = exim.Exim(host, ["example.net"], settings="tls_certificate = /etc/tls.pem\nauth_advertise_hosts = *\n"
                           "tls_privatekey = /etc/tls.key\ntls_on_connect_ports = 465",
                           rcpt_rules="  deny !authenticated = *\n")
        plain_text = host.path("/etc/exim4/exim4.conf").read_text()
        host.run(["saslpasswd2", "-p", "-c", "-u", "relay.test", "out"], input=PASSWORD)
        host.run(["chown", "Debian-exim", "/etc/sasldb2"])
        mechanisms = ["SCRAM-SHA-256", "SCRAM-SHA-1"]

        def offer(*names):
            drivers = "".join(f"{name.lower().replace('-', '_')}:\n  driver = cyrus_sasl\n  public_name = {name}\n"
                              "  server_realm = relay.test\n  server_set_id = $auth1\n" for name in names)
            host.write("/etc/exim4/exim4.conf", plain_text + "\nbegin authenticators\n" + drivers)

        self.assertNotIn("gsasl", re.search("Authenticators: (.*)", host.run(["exim4", "-bV"], check=False).stdout)[1])
        offer("SCRAM-SHA-256-PLUS")
        self.assertIn("Cyrus SASL doesn't know about mechanism SCRAM-SHA-256-PLUS", host.run(["exim4", "-bh", "192.0.2.9"], check=False).stderr)
        offer(*mechanisms)
        server.start(465)
        self.names(exim=host)
        way = ('submissions { host exim.relay.test  auth { user "out@relay.test"  password-file "relay.pw"  %s } }')
        self.start(way % "")
        self.submit()
        server.mailbox().wait(1)
        self.assertEqual(self.mechanism(1), mechanisms[0])
        self.change(way % "mechanisms SCRAM-SHA-1")
        self.submit()
        server.mailbox().wait(2)
        self.assertEqual(self.mechanism(2), mechanisms[1])
        self.assertEqual(re.findall(r" A=(\S+) ", server.log()), [f"{name.lower().replace('-', '_')}:out@relay.test" for name in mechanisms])
        self.suite.stop()

    def test_one_suite_logs_in_at_another_and_binds_to_the_channel(self):
        host = self.lan.host("other")
        other = suite.Suite("""
hostname other.relay.test
listen public { address %s  submission 587  submissions 465  certificate-file "tls.pem"  key-file "tls.key" }
domain relay.test { }
domain us.test { }
account out { address out@relay.test *@us.test  mailbox yes }
""" % host.v4, host=host)
        cert, key = self.ca.issue("other", "other.relay.test")
        other.add_file("tls.pem", cert.read_text())
        other.add_file("tls.key", key.read_text())
        other.add_file("state/credentials", api.credentials({"out": PASSWORD}))
        self.names(other=host)
        other.start()
        self.addCleanup(lambda: other.process and other.kill())
        inbox = mailbox.Maildir(other.folder / "state/mail/out")
        self.start(SUBMISSION % ("other.relay.test", ""))
        self.suite.allow_error("cannot log in at the server")
        self.submit("out@relay.test")
        self.assertEqual(self.mechanism(1), "SCRAM-SHA-256-PLUS")
        self.change('submissions { host other.relay.test  auth { user "out@relay.test"  password-file "relay.pw" } }')
        self.submit("out@relay.test")
        self.assertEqual(self.mechanism(2), "SCRAM-SHA-256-PLUS")
        inbox.wait(2)
        self.change(SUBMISSION % ("other.relay.test", "mechanisms SCRAM-SHA-256"))
        self.submit("out@relay.test")
        self.assertEqual(self.mechanism(3), "SCRAM-SHA-256")
        # It takes no binding of that kind: what does not fit is refused, and nobody is told otherwise.
        self.change(SUBMISSION % ("other.relay.test", "channel-binding tls-server-end-point"))
        self.submit("out@relay.test")
        self.suite.wait_log(m="cannot log in at the server: mail waits", mechanism="SCRAM-SHA-256-PLUS")
        self.suite.stop()
        other.stop()

    def test_a_login_can_be_bound_to_the_servers_certificate(self):
        host = self.lan.host("bound")
        self.names(bound=host)
        cert, key = self.ca.issue("bound", "bound.relay.test")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        sink = scramsink.ScramSink(host, 587, "out@relay.test", PASSWORD, cert, tls=context)
        self.addCleanup(sink.close)
        bound = f"{scramsink.MECHANISM} tls-server-end-point"
        self.start(SUBMISSION % ("bound.relay.test", "channel-binding tls-server-end-point"))
        self.submit()
        sink.wait(1)
        self.assertEqual(sink.mails[-1].tls, "TLSv1.3")
        # Before TLS 1.3 it is the one that is used without being asked for.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.change(SUBMISSION % ("bound.relay.test", ""))
        self.submit()
        sink.wait(2)
        self.assertEqual(sink.mails[-1].tls, "TLSv1.2")
        self.assertEqual(sink.logins, [f"{bound} ok"] * 2)
        # As it looks to a server behind somebody who has another certificate for the name.
        self.suite.allow_error("cannot log in at the server")
        sink.end_point = bytes(32)
        self.change((SUBMISSION % ("bound.relay.test", "")).replace("port 587", "port 587  idle-timeout 0"))
        self.submit()
        self.suite.wait_log(m="cannot log in at the server: mail waits", mechanism=scramsink.MECHANISM)
        self.assertEqual(sink.logins[2], f"{bound} other binding")
        self.assertEqual(len(sink.mails), 2)
        self.suite.stop()

    def test_many_recipients_go_in_as_many_transactions_as_the_server_wants(self):
        server = self.relay(smtpd_recipient_limit="10")
        self.names(relay=server.host)
        self.start(SUBMISSION % ("relay.relay.test", ""))
        self.submit(*(f"b{n}@example.net" for n in range(2000)))
        self.suite.wait_log(m="delivered", count=2000, timeout=60)
        self.assertEqual(server.log().count("sasl_username="), 200)  # a line for each transaction
        self.assertEqual(server.log().count("]: connect from unknown[192.0.2.1]"), 1)
        self.suite.stop()

    def token(self, subject, life=3600):
        """A JSON Web Token that Dovecot checks with the key it has."""
        def part(value):
            return base64.urlsafe_b64encode(value).rstrip(b"=")
        now = int(time.time())
        head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        body = part(json.dumps({"sub": subject, "iat": now - 10, "nbf": now - 10, "exp": now + life}).encode())
        signature = hmac.new(b"key of the tokens", head + b"." + body, hashlib.sha256).digest()
        return (head + b"." + body + b"." + part(signature)).decode()

    def test_a_token_is_read_anew_when_it_is_replaced(self):
        server = self.relay(mechanisms="xoauth2 oauthbearer", settings="""
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = /etc/dovecot/oauth2.conf
}
""")
        host = server.host
        host.write("/etc/dovecot/oauth2.conf", "introspection_mode = local\nusername_attribute = sub\n"
                   "local_validation_key_dict = fs:posix:prefix=/etc/dovecot/keys/\n")
        host.write("/etc/dovecot/keys/default/HS256/default", base64.b64encode(b"key of the tokens").decode())
        server.users.stop()
        server.users.start()
        self.names(relay=host)
        way = SUBMISSION.replace('password-file "relay.pw"', 'token-file "relay.token"')
        self.suite = suite.Suite(CONFIG % (way % ("relay.relay.test", "")), host=self.us)
        self.suite.allow_error("cannot log in at the server")
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        path = self.suite.add_file("relay.token", self.token("out@relay.test", life=-5) + "\n")
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        self.submit()
        self.suite.wait_log(m="cannot log in at the server: mail waits", mechanism="OAUTHBEARER")
        path.with_name("next").write_text(self.token("out@relay.test") + "\n")
        path.with_name("next").rename(path)
        self.try_now()
        server.mailbox().wait(1, timeout=60)
        self.assertEqual(self.mechanism(1), "OAUTHBEARER")
        self.change(way % ("relay.relay.test", "mechanisms XOAUTH2"))
        self.submit()
        server.mailbox().wait(2, timeout=60)
        self.assertEqual(self.mechanism(2), "XOAUTH2")
        # Written over, as some do: no reload is needed for it.
        path.write_text("spoiled\n")
        self.suite.qmctl("reload")
        self.submit()
        self.suite.wait_log(m="cannot log in at the server: mail waits", mechanism="XOAUTH2")
        path.write_text(self.token("out@relay.test") + "\n")
        self.try_now()
        server.mailbox().wait(3, timeout=60)
        self.suite.stop()


if __name__ == "__main__":
    case.main()
