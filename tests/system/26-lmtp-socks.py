"""Mail into Dovecot over LMTP, and to MX hosts through a SOCKS proxy."""

import uuid

from harness import api, capture, case, client, dante, dnszone, dovecot, postfix, smtpsink, suite

CONFIG = """
hostname us.test
listen public { address 192.0.2.1  submission 587  require-tls-for-auth no }
domain us.test { }
account ann { address ann@us.test  mailbox yes }
queue { first-retry 2s  retry-jitter 0  attempts 30  destination-pause 1s }
deliver { connect-timeout 5s }
transport way { %s }
route { to example.net  transport way }
"""
LMTP = """
protocols = imap lmtp
service lmtp {
  inet_listener lmtp {
    port = 24
  }
  unix_listener /run/mail-lmtp/lmtp {
    mode = 0666
  }
}
"""
USERS = {"b@example.net": "x", "c@example.net": "x"}


class LmtpAndSocks(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1, software=["dovecot", "lmtpd"])

    def start(self, transport, **files):
        self.suite = suite.Suite(CONFIG % transport, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        for name, text in files.items():
            self.suite.add_file(name, text)
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())

    def change(self, transport):
        self.suite.write_config(CONFIG % transport)
        return self.suite.qmctl("reload", check=False)

    def submit(self, *to):
        token = uuid.uuid4().hex
        with client.connect("192.0.2.1", 587) as smtp:
            client.plain(smtp, "ann@us.test", "secret")
            smtp.sendmail("ann@us.test", to, client.message(to[0], token, sender="ann@us.test"))
        return token

    def dovecot(self, host):
        store = dovecot.Dovecot(host, USERS, settings=LMTP)
        host.run(["mkdir", "-m", "755", "/run/mail-lmtp"])
        return store.start()

    def test_dovecot_takes_mail_over_lmtp_and_answers_for_each_recipient(self):
        host = self.lan.host("store", software=["dovecot", "lmtpd"])
        store = self.dovecot(host)
        self.start(f"lmtp {{ host {host.v4} }}")
        token = self.submit("b@example.net", "nobody@example.net", "c@example.net")
        for user in USERS:
            got, = store.mailbox(user).wait(1)
            self.assertEqual(got["Subject"], token)
        line = self.suite.wait_log(m="failed", rcpt="nobody@example.net")
        self.assertEqual((line["code"], line["stage"]), ("550", "rcpt"))
        for user in USERS:
            line = self.suite.wait_log(m="delivered", rcpt=user)
            self.assertIn(f"<{user}>", line["reply"])  # its own answer
        self.suite.stop()

    def test_each_answer_to_the_dot_is_for_one_recipient(self):
        sink = smtpsink.SmtpSink(self.lan.host("store", 9), 24)
        self.addCleanup(sink.close)
        sink.script("DATA-END", "250 2.0.0 kept\n452 4.2.2 full\n552 5.2.2 too much\n250 2.0.0 kept too")
        self.start("lmtp { host 192.0.2.9  tls none }")
        self.submit(*(f"{name}@example.net" for name in "abcd"))
        for name, what, code in (("a", "delivered", "250"), ("b", "deferred", "452"), ("c", "failed", "552"),
                                 ("d", "delivered", "250")):
            line = self.suite.wait_log(m=what, rcpt=f"{name}@example.net")
            self.assertEqual((line["code"], line["stage"]), (code, "dot"))
        self.suite.kill()

    def test_a_local_socket_does_as_well(self):
        store = self.dovecot(self.us)
        self.start('lmtp { socket "/run/mail-lmtp/lmtp" }')
        token = self.submit("b@example.net", "c@example.net")
        for user in USERS:
            got, = store.mailbox(user).wait(1)
            self.assertEqual(got["Subject"], token)
        root = [one["root"] for one in self.suite.qmctl("status")["processes"] if one["name"] == "delivery/way"]
        self.assertTrue(root[0].endswith("/run/mail-lmtp"), root)
        refused = self.change('lmtp { socket "/run/other/lmtp" }')
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("cannot be changed by a reload", refused.stdout + refused.stderr)
        self.suite.allow_error("configuration not reloaded")
        self.suite.stop()

    def proxied(self, users=None):
        self.proxy = dante.Dante(self.lan.host("proxy", software=["dante"]), users)
        mx = self.lan.host("mx", software=["postfix"])
        zone = dnszone.Zone("example.net").mx("@", 10, "hidden").mx("@", 20, "mx").address("mx", mx.v4)
        self.proxy.host.write("/etc/hosts", f"{mx.v4} hidden.example.net\n")  # which nobody else knows
        dns = dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), [zone]).start()
        self.lan.resolve_through(dns.host)
        self.proxy.start()
        self.mx = postfix.Postfix(mx, ["example.net"]).start()

    def check_through_proxy(self, count):
        got = self.mx.mailbox().wait(count)[-1]
        self.assertIn("from out.example.org", got["Received"])
        self.assertIn(self.proxy.host.v4, got["Received"])

    def test_mail_to_mx_hosts_goes_through_a_proxy(self):
        self.proxied()
        way = f"socks {{ address {self.proxy.host.v4}:1080  remote-hostname out.example.org  idle-timeout 0  %s }}"
        self.start(way % "")
        with capture.Capture() as link:
            self.submit("b@example.net")
            self.check_through_proxy(1)
            self.assertEqual(self.change(way % "remote-dns yes").returncode, 0)
            self.submit("b@example.net")
            self.check_through_proxy(2)
            line = self.suite.wait_log(m="delivered", count=2)
        # Nobody but the proxy speaks to a port 25, and we only to the proxy.
        self.assertEqual({one.source[0] for one in link.openings(25)}, {self.proxy.host.v4})
        self.assertEqual({one.target for one in link.openings() if one.source[0] in (self.us.v4, self.us.v6)},
                         {(self.proxy.host.v4, 1080)})
        self.mx.stop()
        self.submit("b@example.net")
        line = self.suite.wait_log(m="deferred")
        self.assertIn("the proxy cannot connect", line["why"])
        self.assertEqual(line["stage"], "connect")
        self.suite.stop()

    def test_the_proxy_is_shown_user_and_password(self):
        self.proxied({"quartz": "pass phrase"})
        way = (f'socks {{ address {self.proxy.host.v4}:1080  remote-hostname out.example.org '
               f'auth {{ user quartz  password-file "proxy.pw" }} }}')
        self.start(way, **{"proxy.pw": "wrong\n"})
        self.submit("b@example.net")
        line = self.suite.wait_log(m="deferred")
        self.assertIn("the proxy refuses user and password", line["why"])
        self.suite.add_file("proxy.pw", "pass phrase\n")
        self.change(way)
        self.check_through_proxy(1)
        self.suite.stop()


if __name__ == "__main__":
    case.main()
