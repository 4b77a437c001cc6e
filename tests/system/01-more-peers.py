"""Exim, OpenSMTPD, Sendmail and Dovecot as peers, each reached from this test over the network."""

import smtplib

from harness import case, dnszone, dovecot, exim, opensmtpd, postfix, sendmail

TEXT = "From: a@example.org\r\nTo: b@example.net\r\nSubject: hello\r\n\r\nbody\r\n"


def submit(address, sender="a@example.org", recipient="b@example.net"):
    with smtplib.SMTP(address, 25, local_hostname="test.example.org", timeout=20) as client:
        return client.sendmail(sender, [recipient], TEXT)


class MorePeers(case.LanCase):
    def takes_its_own(self, peer):
        """Mail for its domain, over both families, and no other."""
        peer.start()
        submit(peer.host.v4)
        got, = peer.mailbox("b@example.net").wait()
        self.assertEqual(got["Subject"], "hello")
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            submit(peer.host.v6, recipient="b@example.com")

    def test_exim_takes_mail_for_its_domain_only(self):
        self.takes_its_own(exim.Exim(self.lan.host("mx", software=["exim"]), ["example.net"], mailboxes=["b@example.net"]))

    def test_exim_sends_by_mx(self):
        receiver = postfix.Postfix(self.lan.host("mx", software=["postfix"]), ["example.net"]).start()
        sender = exim.Exim(self.lan.host("out", software=["exim"])).start()
        zone = dnszone.Zone("example.net").mx("@", 10, "mx").address("mx", receiver.host.v4)
        dns = dnszone.Nsd(self.lan.host("dns", software=["nsd"]), [zone]).start()
        self.lan.resolve_through(dns.host)
        sender.send("a@example.org", ["b@example.net"], TEXT.replace("\r\n", "\n"))
        receiver.mailbox().wait()
        sender.wait_log("Completed")
        self.assertEqual(sender.queue_ids(), [])

    def test_opensmtpd_takes_mail_for_its_domain_only(self):
        self.takes_its_own(opensmtpd.OpenSmtpd(self.lan.host("mx", software=["opensmtpd"]), ["example.net"]))

    def test_sendmail_takes_mail_for_its_domain_only(self):
        self.takes_its_own(sendmail.Sendmail(self.lan.host("mx", software=["sendmail"]), ["example.net"], mailboxes=["b@example.net"]))

    def test_sendmail_sends_by_mx(self):
        receiver = postfix.Postfix(self.lan.host("mx", software=["postfix"]), ["example.net"]).start()
        sender = sendmail.Sendmail(self.lan.host("out", software=["sendmail"])).start()
        zone = dnszone.Zone("example.net").mx("@", 10, "mx").address("mx", receiver.host.v4)
        dns = dnszone.Nsd(self.lan.host("dns", software=["nsd"]),
                          [zone, dnszone.Zone("example.org").address("@", "192.0.2.9")]).start()
        self.lan.resolve_through(dns.host)
        sender.send("a@example.org", ["b@example.net"], TEXT.replace("\r\n", "\n"))
        receiver.mailbox().wait()

    def test_dovecot_shows_a_maildir_over_imap_and_checks_passwords_for_postfix(self):
        host = self.lan.host("mail", software=["postfix", "dovecot"])
        server = dovecot.Dovecot(host, {"b@example.net": "secret"}).start()
        postfix.Postfix(host, settings={
            "smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": f"inet:127.0.0.1:{dovecot.SASL}",
            "smtpd_relay_restrictions": "permit_sasl_authenticated, reject"}).start()
        with smtplib.SMTP(host.v4, 25, timeout=20) as client:
            with self.assertRaises(smtplib.SMTPAuthenticationError):
                client.login("b@example.net", "wrong")
        with smtplib.SMTP(host.v4, 25, timeout=20) as client:
            self.assertEqual(client.login("b@example.net", "secret")[0], 235)
        client = server.imap("b@example.net")
        client.append("INBOX", None, None, TEXT.encode())
        self.assertEqual(len(server.mailbox("b@example.net").files()), 1)
        client.logout()


if __name__ == "__main__":
    case.main()
