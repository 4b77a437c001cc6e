"""What one transaction carries to a server: to how many, in which form, and in how many transactions all of them."""

import collections
import email.message
import email.policy
import re

from harness import api, case, client, dnszone, dsn, exim, mailbox, opensmtpd, postfix, sendmail, smtpsink, suite, wait

CONFIG = """
hostname mx.us.test
listen public { address 192.0.2.1  smtp 25  submission 587  require-tls-for-auth no }
domain us.test { }
account ann { address ann@us.test }
dns { server 192.0.2.53:53  timeout 500ms  tries 2 }
queue { first-retry 1s }
"""

MANY = 500
TEXT = "Caf\u00e9 cr\u00e8me \u2014 and a line that is = to nothing, with white space at its end \n.\n..two dots\n" + "x\u00e9" * 300 + "\n"


def eight_bit():
    """A message with octets above 127: a text, a page in another script, and an attached message."""
    message = email.message.EmailMessage(policy=email.policy.SMTP.clone(cte_type="8bit"))
    message["From"], message["To"], message["Subject"] = "ann@us.test", "a@p.test", "eight"
    message["Message-ID"], message["Date"] = "<eight@us.test>", "Fri, 27 Nov 2026 12:00:00 +0000"
    message.set_content(TEXT, cte="8bit")
    message.add_alternative("<p>\u041f\u0440\u0438\u0432\u0435\u0442</p>\n" * 9, subtype="html", cte="8bit")
    inner = email.message.EmailMessage(policy=message.policy)
    inner["Subject"] = "inner"
    inner.set_content(TEXT, cte="8bit")
    message.add_attachment(inner)
    return bytes(message)


def contents(octets):
    """What each part of a message says, by its type."""
    message = email.message_from_bytes(octets, policy=email.policy.default)
    return [(part.get_content_type(), part.get_content().replace("\r\n", "\n")) for part in message.walk() if part.get_content_maintype() == "text"]


class Transactions(case.LanCase):
    def start(self, zone, more=""):
        ours = dnszone.Zone("us.test").address("@", "192.0.2.1")
        dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), [zone, ours]).start()
        self.us = self.lan.host("us", 1)
        self.suite = suite.Suite(CONFIG + more, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        self.inbox = mailbox.Maildir(self.suite.folder / "state/mail/ann")

    def submit(self, recipients, octets, options=()):
        with client.connect(self.us.v4, 587) as smtp:
            client.plain(smtp, "ann@us.test", "secret")
            smtp.command_encoding = "utf-8"
            smtp.mail("ann@us.test", options)
            for one in recipients:
                self.assertEqual(smtp.rcpt(one)[0], 250)
            self.assertEqual(smtp.data(octets)[0], 250)

    def wait_empty(self):
        wait.until(lambda: self.suite.qmctl("status")["queue"]["messages"] == 0, 60,
                   lambda: f"an empty queue: {self.suite.qmctl('status')['queue']}")

    def test_an_address_of_one_domain_does_not_ask_smtputf8_of_another(self):
        zone = dnszone.Zone("p.test").mx("old", 10, "old-mx").mx("new", 10, "new-mx")
        zone.address("old-mx", "192.0.2.2").address("new-mx", "192.0.2.3")
        old = smtpsink.SmtpSink(self.lan.host("old", 2), 25, extensions=["PIPELINING"])
        new = smtpsink.SmtpSink(self.lan.host("new", 3), 25, extensions=["PIPELINING", "8BITMIME", "SMTPUTF8"])
        self.addCleanup(old.close)
        self.addCleanup(new.close)
        self.start(zone)
        self.submit(["a@old.p.test", "gr\u00fcn@old.p.test", "gr\u00fcn@new.p.test"],
                    client.message("a@old.p.test", "both", sender="ann@us.test"), ["SMTPUTF8"])
        self.inbox.wait(1)
        self.wait_empty()
        self.assertEqual([mail.recipients for mail in old.mails], [["<a@old.p.test>"]])
        self.assertEqual([mail.recipients for mail in new.mails], [["<gr\u00fcn@new.p.test>"]])
        self.assertTrue(new.mails[0].sender.endswith(" SMTPUTF8"), new.mails[0].sender)
        octets, = self.inbox.raw()
        one, = dsn.parse(octets).recipients
        self.assertEqual((one["action"], one["status"].split()[0]), ("failed", "5.6.7"))
        self.suite.stop()

    # ---- limits of recipients

    def send_many(self, address="192.0.2.2"):
        """One message for MANY recipients of p.test."""
        self.start(dnszone.Zone("p.test").mx("@", 10, "mx").address("mx", address))
        to = [f"u{n}@p.test" for n in range(MANY)]
        self.submit(to, client.message("u0@p.test", "many", sender="ann@us.test"))
        return to

    def check_once(self, to, found):
        """Each of them, and each once; and nothing is left, nor told."""
        counts = collections.Counter(found)
        self.assertEqual({one: count for one, count in counts.items() if count != 1}, {})
        self.assertEqual(sorted(counts), sorted(to))
        self.wait_empty()
        self.assertEqual(self.inbox.files(), [])
        self.suite.stop()

    def test_postfix_takes_fifty(self):
        mx = postfix.Postfix(self.lan.host("mx", 2, software=["postfix"]), ["p.test"],
                             settings={"smtpd_recipient_limit": "50"}).start()
        to = self.send_many()
        found = [message["Delivered-To"] for message in mx.mailbox().wait(MANY, 60)]
        self.assertEqual(re.findall(r"nrcpt=(\d+) \(queue active\)", mx.log()), ["50"] * 10)
        self.assertEqual(len(re.findall(r": connect from .*\[192\.0\.2\.1\]", mx.log())), 1)
        self.check_once(to, found)

    def test_exim_takes_twenty(self):
        self.check_exim("recipients_max = 20")

    def test_exim_takes_twenty_or_nothing(self):
        self.check_exim("recipients_max = 20\nrecipients_max_reject = true")

    def check_exim(self, settings):
        mx = exim.Exim(self.lan.host("mx", 2, software=["exim"]), ["p.test"], settings=settings)
        mx.start()
        to = self.send_many()
        found = [message["Envelope-To"] for message in mx.mailbox().wait(MANY, 100)]
        taken = re.findall(r" <= ann@us\.test .* for (.*)", mx.log())
        self.assertEqual([len(line.split()) for line in taken], [20] * 25)
        self.assertEqual(len(re.findall(r"SMTP connection from \[192\.0\.2\.1\]:\d+ .*\(TCP/IP connection count", mx.log())), 1)
        self.check_once(to, found)

    def test_opensmtpd_takes_thirty(self):
        host = self.lan.host("mx", 2, software=["opensmtpd"])
        mx = opensmtpd.OpenSmtpd(host, ["p.test"], "smtp limit max-rcpt 30")
        mx.start()
        to = self.send_many()
        boxes = {one: mx.mailbox(one) for one in to}
        wait.until(lambda: sum(len(box.files()) for box in boxes.values()) >= MANY, 100, "the last of them")
        found = [one for one, box in boxes.items() for _ in box.files()]
        self.assertEqual(sorted(re.findall(r"smtp message .*nrcpts?=(\d+)", mx.log()), key=int), ["20"] + ["30"] * 16)
        self.check_once(to, found)

    def test_sendmail_takes_thirty(self):
        host = self.lan.host("mx", 2, software=["sendmail"])
        mx = sendmail.Sendmail(host, ["p.test"], settings="define(`confMAX_RCPTS_PER_MESSAGE', `30')dnl\n").start()
        host.resolver("192.0.2.53")  # there from now on
        to = self.send_many()
        found = [message["Envelope-To"] for message in mx.mailbox().wait(MANY, 100)]
        session, = [one for one in mx.sessions() if "<<< MAIL" in one]
        self.assertEqual([part.count("Recipient ok") for part in session.split("<<< DATA")], [30] * 16 + [20, 0])
        self.check_once(to, found)

    def test_what_is_announced_is_kept(self):
        sink = smtpsink.SmtpSink(self.lan.host("mx", 2), 25, extensions=["PIPELINING", "LIMITS RCPTMAX=7 MAILMAX=3"])
        self.addCleanup(sink.close)
        to = self.send_many()
        sink.wait(72, 30)
        self.wait_empty()
        found = [one.strip("<>") for mail in sink.mails for one in mail.recipients]
        self.assertEqual([len(mail.recipients) for mail in sink.mails], [7] * 71 + [3])
        self.assertEqual([len(session.mails) for session in sink.sessions], [3] * 24)
        self.assertEqual(len([line for session in sink.sessions for line in session.lines if line.startswith("RCPT")]), MANY)
        self.check_once(to, found)

    def test_a_smarthost_hears_of_as_many_domains_as_it_announces(self):
        sink = smtpsink.SmtpSink(self.lan.host("smarthost", 2), 25, extensions=["PIPELINING", "LIMITS RCPTDOMAINMAX=2"])
        self.addCleanup(sink.close)
        self.start(dnszone.Zone("p.test"), "transport relay { smtp { host 192.0.2.2  tls none  connections 1 } }\nroute { transport relay }\n")
        to = [f"n{n}@d{n % 9}.test" for n in range(90)]
        self.submit(to, client.message("many", "many", sender="ann@us.test"))
        self.wait_empty()
        found = [one.strip("<>") for mail in sink.mails for one in mail.recipients]
        heard = [{one.rpartition("@")[2] for mail in session.mails for one in mail.recipients} for session in sink.sessions]
        self.assertEqual(sorted(map(len, heard)), [1, 2, 2, 2, 2])
        self.check_once(to, found)

    # ---- the form of the message

    def send_eight_bit(self, mx):
        self.start(dnszone.Zone("p.test").mx("@", 10, "mx").address("mx", "192.0.2.2"))
        self.submit(["a@p.test"], eight_bit(), ["BODY=8BITMIME"])
        mx.mailbox().wait(1)
        octets, = mx.mailbox().raw()
        self.assertEqual(contents(octets), contents(eight_bit()))
        self.suite.stop()
        return octets

    def test_exim_without_8bitmime_gets_seven_bits(self):
        mx = exim.Exim(self.lan.host("mx", 2, software=["exim"]), ["p.test"], settings="accept_8bitmime = false")
        mx.start()
        self.assertTrue(self.send_eight_bit(mx).isascii())
        self.assertRegex(mx.log(), r" <= ann@us\.test .* K ")  # it came in chunks

    def test_postfix_without_8bitmime_gets_seven_bits(self):
        mx = postfix.Postfix(self.lan.host("mx", 2, software=["postfix"]), ["p.test"],
                             settings={"smtpd_discard_ehlo_keywords": "8bitmime, chunking"}).start()
        self.assertTrue(self.send_eight_bit(mx).isascii())
        self.assertRegex(mx.log(), r"disconnect from .* data=1 ")

    def test_postfix_with_everything_gets_it_as_it_is_in_chunks(self):
        mx = postfix.Postfix(self.lan.host("mx", 2, software=["postfix"]), ["p.test"]).start()
        self.assertFalse(self.send_eight_bit(mx).isascii())
        mx.wait_log("bdat=1")

    # ---- SMTPUTF8

    def test_smtputf8_that_nothing_needs_goes_no_further(self):
        zone = dnszone.Zone("p.test").mx("new", 10, "new-mx").address("new-mx", "192.0.2.3")
        new = smtpsink.SmtpSink(self.lan.host("new", 3), 25, extensions=["PIPELINING", "8BITMIME", "SMTPUTF8"])
        self.addCleanup(new.close)
        self.start(zone)
        self.submit(["a@new.p.test"], client.message("a@new.p.test", "plain", sender="ann@us.test"), ["SMTPUTF8"])
        new.wait(1)
        self.assertEqual(new.mails[0].sender, "<ann@us.test>")
        self.suite.stop()


if __name__ == "__main__":
    case.main()
