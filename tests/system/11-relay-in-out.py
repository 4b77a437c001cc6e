"""Mail in and out between the suite and Postfix, each finding the other through the name service."""

import email
import email.policy
import uuid

from harness import case, certs, client, dkimkeys, dnsproxy, dnszone, mailbox, postfix, suite, wait

CONFIG = """
hostname mx.us.test
test-clock yes
dns { timeout 500ms  tries 2 }
deliver { connect-timeout 1s }
listen public {
    address 192.0.2.1 2001:db8::1
    smtp 25   submission 587   submissions 465
    certificate-file "tls.pem"   key-file "tls.key"
}
domain us.test {
%s}
account ann { address ann@us.test }
transport bare { direct { dkim no } }
route { to c.test  transport bare }
"""
PASSWORD = "correct horse"


class RelayInOut(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1)

    def world(self, *zones, resolver=None):
        """The suite on its host with mail for us.test, and a name server with these zones beside."""
        self.keys = dkimkeys.Keys("us.test", rsa="r", ed25519="e")
        own = dnszone.Zone("us.test").mx("@", 10, "mx").address("mx", self.us.v4, self.us.v6)
        self.keys.publish(own)
        self.dns = dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), [own, *zones]).start()
        self.lan.resolve_through(self.dns.host)
        if resolver:
            self.us.write("/etc/resolv.conf", f"nameserver {resolver}\noptions timeout:30 attempts:5\n")
        self.suite = suite.Suite("", host=self.us)
        cert, key = certs.Authority(self.suite.folder / "ca").issue("mx", "mx.us.test")
        self.suite.add_file("tls.pem", cert.read_text())
        self.suite.add_file("tls.key", key.read_text())
        self.suite.write_config(CONFIG % self.keys.files(self.suite))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        off = self.suite.find_log(m="DANE is off: the DNS servers are neither on this machine nor said to be trusted")
        self.assertEqual(bool(off), resolver is not None)  # the harness's own ones are trusted (trust-ad)
        self.suite.qmctl("account", "password", "ann", input=PASSWORD + "\n")
        self.inbox = mailbox.Maildir(self.suite.folder / "state/mail/ann")

    def postfix(self, name, domain, mailboxes=None, **settings):
        host = self.lan.hosts.get(name) or self.lan.host(name, software=["postfix"])
        return postfix.Postfix(host, [domain], mailboxes=mailboxes, settings=settings)

    def submit(self, *recipients, text=None):
        return client.send(self.us.v4, 587, "ann@us.test", recipients, text or self.message(recipients[0]),
                           login=("ann@us.test", PASSWORD), starttls=True)

    def message(self, recipient):
        return client.message(recipient, uuid.uuid4().hex, sender="ann@us.test")

    def notice(self, number=1):
        """The newest of `number` messages to ann, taken as a DSN: (its status parts, the whole)."""
        report = self.inbox.wait(number)[-1]
        self.assertEqual(report.get_content_type(), "multipart/report")
        self.assertEqual(report["Return-Path"], "<>")
        _, status, original = report.iter_parts()
        self.assertEqual(status.get_content_type(), "message/delivery-status")
        return [dict(part) for part in status.get_payload()][1:], report

    def test_postfix_sends_to_our_account(self):
        sender = self.postfix("a", "a.test")
        self.world()
        sender.start(port=None)
        token = uuid.uuid4().hex
        sender.send("bob@a.test", ["ann@us.test"], client.message("ann@us.test", token).decode().replace("\r\n", "\n"))
        got, = self.inbox.wait()
        self.assertEqual((got["Subject"], got["Return-Path"], got["Delivered-To"]),
                         (token, "<bob@a.test>", "ann@us.test"))
        self.assertIn("\n.A line that begins with a dot\n", got.get_content())
        ours, theirs = got.get_all("Received")
        self.assertIn("from a.test", ours)
        self.assertIn("by mx.us.test", ours)
        self.assertIn("TLSv1.3", ours)
        self.assertIn("by a.test", theirs)
        sender.send("bob@a.test", ["nobody@us.test"], "Subject: x\n\nx\n")
        sender.wait_log("550 5.1.1")
        sender.send("bob@a.test", ["x@elsewhere.example", "ann@us.test"], "Subject: x\n\nx\n")
        self.inbox.wait(2)
        self.suite.stop()

    def test_a_user_submits_and_postfix_takes_it_signed(self):
        mailboxes = ["x@b.test", "y@b.test", "z@b.test"]
        host = self.lan.host("b", software=["postfix"])
        receiver = postfix.Postfix(host, ["b.test", "c.test"], mailboxes=[*mailboxes, "x@c.test"])
        self.world(dnszone.Zone("b.test").mx("@", 10, "mx").address("mx", receiver.host.v4, receiver.host.v6),
                   dnszone.Zone("c.test").mx("@", 10, "mx.b.test."))
        receiver.start()
        self.submit("x@b.test")
        with client.connect(self.us.v6, 587, starttls=True) as smtp:
            client.scram(smtp, "ann@us.test", PASSWORD)
            smtp.sendmail("ann@us.test", ["x@b.test"], self.message("x@b.test"))
        client.send(self.us.v4, 465, "ann@us.test", mailboxes, self.message("x@b.test"),
                    login=("ann@us.test", PASSWORD), implicit=True)
        receiver.mailbox("x@b.test").wait(3)
        for octets in receiver.mailbox("x@b.test").raw():
            self.assertEqual(self.keys.verify(octets, self.dns.host.v4), {"r": True, "e": True})
            spoiled = octets.replace(b"Subject: ", b"Subject: not ")
            self.assertEqual(self.keys.verify(spoiled, self.dns.host.v4), {"r": False, "e": False})
        # The transport to the other domain leaves them out, and nothing else.
        client.send(self.us.v4, 587, "ann@us.test", ["x@c.test"], b"DKIM-Signature: v=1; d=theirs.test\r\n" +
                    self.message("x@c.test"), login=("ann@us.test", PASSWORD), starttls=True)
        bare, = receiver.mailbox("x@c.test").wait()
        self.assertEqual(bare.get_all("DKIM-Signature"), ["v=1; d=theirs.test"])
        self.assertEqual(len(bare.get_all("Received")), 2)
        got = receiver.mailbox("x@b.test").messages()[0]
        self.assertEqual(got["Return-Path"], "<ann@us.test>")
        self.assertIn("from mx.us.test", got.get_all("Received")[0])
        for address in mailboxes[1:]:
            receiver.mailbox(address).wait()
        receiver.wait_log("nrcpt=3 (queue active)")
        self.assertEqual(self.suite.qmctl("status")["queue"]["messages"], 0)
        retired = self.suite.qmctl("retired", "list")
        self.assertEqual([(one["success"], one["attempts"]) for one in retired], [(True, 1)] * 6)
        self.suite.stop()

    def test_mail_goes_to_the_host_that_can_be_reached(self):
        first, second = (self.postfix(name, "b.test") for name in ("b1", "b2"))
        six = self.postfix("six", "six.test")
        self.world(dnszone.Zone("b.test").mx("@", 10, "b1").mx("@", 20, "b2").address("b1", first.host.v4)
                   .address("b2", second.host.v4),
                   dnszone.Zone("six.test").mx("@", 10, "mx").address("mx", six.host.v6),
                   dnszone.Zone("nomx.test").address("@", second.host.v4))
        for one in (first, second, six):
            one.start()
        second.change({"virtual_mailbox_domains": "b.test, nomx.test"})
        self.submit("x@six.test")
        six.mailbox().wait()
        self.submit("x@b.test")
        first.mailbox().wait()
        first.host.unplug()  # the connection to it is idle and will be tried first
        self.submit("y@b.test")
        second.mailbox().wait(timeout=30)
        self.submit("x@nomx.test")
        second.mailbox().wait(2)
        first.host.plug()
        self.assertEqual(len(first.mailbox().files()), 1)
        self.suite.stop()

    def test_the_sender_is_told_of_what_fails_for_good(self):
        receiver = self.postfix("b", "b.test", ["x@b.test", "y@b.test"])
        self.world(dnszone.Zone("b.test").mx("@", 10, "mx").address("mx", receiver.host.v4),
                   dnszone.Zone("null.test").null_mx("@"))
        receiver.start()
        self.submit("x@null.test")
        (status,), _ = self.notice()
        self.assertEqual((status["Final-Recipient"], status["Action"], status["Status"]),
                         ("rfc822; x@null.test", "failed", "5.1.10 (null.test takes no mail [null MX])"))
        self.submit("x@no-such-name.b.test")
        (status,), _ = self.notice(2)
        self.assertEqual((status["Action"], status["Status"][0]), ("failed", "5"))
        text = self.message("x@b.test")
        self.submit("x@b.test", "nobody@b.test", "y@b.test", text=text)
        (status,), report = self.notice(3)
        self.assertEqual(status["Final-Recipient"], "rfc822; nobody@b.test")
        self.assertEqual(status["Status"].split()[0], "5.1.1")
        self.assertRegex(status["Remote-MTA"], r"^dns; mx\.b\.test \((192\.0\.2\.\d+|2001:db8::[0-9a-f]+)\)$")
        self.assertEqual(" ".join(status["Diagnostic-Code"].split()),
                         "smtp; 550 5.1.1 <nobody@b.test>: Recipient address rejected: User unknown in virtual "
                         "mailbox table")
        *_, original = report.iter_parts()
        subject = email.message_from_bytes(text, policy=email.policy.default)["Subject"]
        self.assertIn(f"Subject: {subject}", original.as_string())
        for address in ("x@b.test", "y@b.test"):
            receiver.mailbox(address).wait()
        self.assertEqual(self.suite.qmctl("status")["queue"]["messages"], 0)
        self.suite.stop()

    def test_mail_waits_while_the_name_service_fails(self):
        receiver = self.postfix("b", "b.test")
        resolver = self.lan.host("res", 54)
        self.world(dnszone.Zone("b.test").mx("@", 10, "mx").address("mx", receiver.host.v4), resolver=resolver.v4)
        proxy = dnsproxy.DnsProxy(resolver, self.dns.host.v4)  # within the timeouts of our configuration
        self.addCleanup(proxy.close)
        receiver.start()
        for attempts, mode in enumerate(("servfail", "silent"), 1):
            proxy.mode = mode
            self.submit("x@b.test")
            self.suite.wait_log(m="deferred", count=attempts)
        rows = self.suite.qmctl("queue", "list")
        self.assertEqual([(one["attempts"], one["state"]) for one in rows], [(1, "queued")] * 2)
        self.assertEqual(self.inbox.files(), [])
        for row in rows:
            last = self.suite.qmctl("queue", "show", row["id"])["history"][-1]
            self.assertEqual((last["result"], last["stage"], last["enhanced"][0]), ("deferred", "dns", "4"))
        proxy.mode = "pass"
        self.suite.qmctl("clock", "step", 460_000)
        receiver.mailbox().wait(2)
        wait.until(lambda: self.suite.qmctl("status")["queue"]["messages"] == 0, what="an empty queue")
        self.suite.stop()


if __name__ == "__main__":
    case.main()
