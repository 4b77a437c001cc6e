"""The SMTP extension for DSNs (RFC 3461), as a client asks for it, as the next hop is asked, and as the sender is told."""

import itertools
import re

from harness import api, case, client, dnszone, dsn, exim, mailbox, postfix, smtpsink, suite, wait

CONFIG = """
hostname mx.us.test
listen public { address 192.0.2.1  smtp 25  submission 587  require-tls-for-auth no }
domain us.test { }
account ann { address ann@us.test }
queue { delay-notice-attempt 1  %s }
"""
HOP = "transport %s { smtp { host 192.0.2.2  port %d  tls none } }\nroute { to %s.test  transport %s }\n"
REPLIES = {"ok": "250 2.1.5 Ok", "no": "550-5.1.1 there is\n550 5.1.1 (no such user", "later": "451 4.3.2 not now"}
AWARE = {"aware": ["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN"], "plain": ["PIPELINING", "8BITMIME", "SMTPUTF8"]}
NOTIFY = ["", "NEVER", "SUCCESS", "FAILURE", "DELAY", "SUCCESS,FAILURE,DELAY"]
RET = ["", "FULL", "HDRS"]
ENVID = ["", "QQ+2Bx+3Dy"]
ORCPT = ["", "rfc822;Old+2BName@example.net", r"utf-8;gr\x{FC}n@example.net"]
ORIGINAL = {"": None, ORCPT[1]: "rfc822; Old+Name@example.net", ORCPT[2]: r"utf-8; gr\x{FC}n@example.net"}


class Matrix:
    """One message of the matrix."""

    def __init__(self, number, hop, outcome, notify, ret, envid, orcpt):
        self.number, self.hop, self.outcome = number, hop, outcome
        self.notify, self.ret, self.envid, self.orcpt = notify, ret, envid, orcpt
        self.to, self.token = f"u{number}@{hop}-{outcome}.test", f"m{number}"
        self.name = f"{hop} {outcome} NOTIFY={notify} RET={ret} ENVID={envid} ORCPT={orcpt}"

    def mail_options(self):
        return [f"{key}={value}" for key, value in (("RET", self.ret), ("ENVID", self.envid)) if value]

    def rcpt_options(self):
        return [f"{key}={value}" for key, value in (("NOTIFY", self.notify), ("ORCPT", self.orcpt)) if value]

    def action(self):
        """What the sender is told by us, or None (RFC 3461 sections 4.1, 5.2)."""
        wished = self.notify.split(",") if self.notify else ["FAILURE", "DELAY"]
        needs = {"ok": "SUCCESS", "no": "FAILURE", "later": "DELAY"}[self.outcome]
        if needs not in wished or (self.outcome == "ok" and self.hop == "aware"):
            return None
        return {"ok": "relayed", "no": "failed", "later": "delayed"}[self.outcome]


class Dsn(case.LanCase):
    def start(self, more="", queue=""):
        self.us = self.lan.host("us", 1)
        self.suite = suite.Suite(CONFIG % queue + more, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        self.inbox = mailbox.Maildir(self.suite.folder / "state/mail/ann")

    def connect(self):
        smtp = client.connect(self.us.v4, 587)
        client.plain(smtp, "ann@us.test", "secret")
        return smtp

    def make_hops(self):
        host, self.sinks, more = self.lan.host("sink", 2), {}, ""
        for port, (hop, outcome) in enumerate(itertools.product(AWARE, REPLIES), 2500):
            name = f"{hop}-{outcome}"
            self.sinks[name] = smtpsink.SmtpSink(host, port, extensions=AWARE[hop], script={"RCPT": REPLIES[outcome]})
            self.addCleanup(self.sinks[name].close)
            more += HOP % (name, port, name, name)
        return more

    def test_each_wish_is_passed_on_or_fulfilled(self):
        self.start(self.make_hops())
        rows = itertools.product(AWARE, REPLIES, NOTIFY, RET, ENVID, ORCPT)
        cells = [Matrix(number, *row) for number, row in enumerate(rows)]
        with self.connect() as smtp:
            for cell in cells:
                octets = client.message(cell.to, cell.token, sender="ann@us.test")
                smtp.sendmail("ann@us.test", [cell.to], octets, cell.mail_options(), cell.rcpt_options())
        told = [cell for cell in cells if cell.action()]
        wait.until(lambda: sum(len(self.suite.find_log(m=m)) for m in ("delivered", "deferred", "failed"))
                   >= len(cells) + len(told), 60, "an attempt of each, and of each notice")
        self.check_notices({cell.token: cell for cell in told})
        for cell in cells:
            with self.subTest(cell.name):
                self.check_commands(cell)
        self.suite.stop()

    def check_notices(self, told):
        notices = {}
        for octets in self.inbox.raw():
            notice = dsn.parse(octets)
            notices[notice.message["References"].removeprefix("<").partition("@")[0]] = notice
        self.assertEqual(len(self.inbox.files()), len(notices), "one for each message")
        self.assertEqual(notices.keys(), told.keys())
        for token, cell in told.items():
            with self.subTest(cell.name):
                self.check_notice(cell, notices[token])

    def check_notice(self, cell, notice):
        one, = notice.recipients
        self.assertEqual((one["action"], one["final-recipient"]), (cell.action(), f"rfc822; {cell.to}"))
        self.assertEqual(one["status"].split()[0], {"ok": "2.0.0", "no": "5.1.1", "later": "4.3.2"}[cell.outcome])
        self.assertEqual(one.get("original-recipient"), ORIGINAL[cell.orcpt])
        self.assertEqual(notice.fields.get("original-envelope-id"), "QQ+x=y" if cell.envid else None)
        self.assertEqual(notice.fields["received-from-mta"], "dns; client.test (192.0.2.254)")
        whole = cell.ret == "FULL" and cell.outcome == "no"
        self.assertEqual(notice.returned.get_content_type(), "message/rfc822" if whole else "text/rfc822-headers")
        reply = REPLIES[cell.outcome] if cell.outcome != "ok" else "250 2.0.0 Ok: queued as SINK"
        self.assertEqual(one["diagnostic-code"], "smtp; " + reply.replace("\n", " "))
        for line in reply.split("\n"):
            self.assertIn(f"\r\n\t{line}\r\n", notice.text)

    def check_commands(self, cell):
        """What the next hop was told: the same, or nothing of it."""
        lines = [line for session in self.sinks[f"{cell.hop}-{cell.outcome}"].sessions for line in session.lines]
        at = next(at for at, line in enumerate(lines) if line.startswith(f"RCPT TO:<{cell.to}>"))
        mail, rcpt = lines[at - 1].split()[2:], lines[at].split()[2:]
        keywords = [word for word in mail if word.startswith(("RET=", "ENVID="))]
        if cell.hop == "plain":
            self.assertEqual((keywords, rcpt), ([], []))
            return
        self.assertEqual(keywords, cell.mail_options())
        self.assertEqual([word.replace("gr\u00fcn", r"gr\x{FC}n") for word in rcpt], cell.rcpt_options())

    def test_several_recipients_of_one_event_share_a_notice(self):
        self.start(self.make_hops())
        to = ["a@plain-no.test", "b@plain-no.test", "c@plain-no.test", "d@plain-no.test"]
        with self.connect() as smtp:
            smtp.mail("ann@us.test")
            for address, notify in zip(to, ("FAILURE", "NEVER", "SUCCESS", "DELAY,FAILURE")):
                smtp.rcpt(address, [f"NOTIFY={notify}"])
            smtp.data(client.message(to[0], "shared", sender="ann@us.test"))
        self.inbox.wait(1)
        wait.until(lambda: self.suite.qmctl("queue", "list") == [], what="the end of it")
        octets, = self.inbox.raw()
        self.assertEqual([one["final-recipient"] for one in dsn.parse(octets).recipients],
                         ["rfc822; a@plain-no.test", "rfc822; d@plain-no.test"])
        self.suite.stop()

    def test_hostile_replies_stay_in_their_place(self):
        """What a server says, in raw octets, up to what SMTP lets it say."""
        hostile = [
            b"550 (unbalanced\r\n", b"550 a\0b\x1b[2J\x7f\r\n", b"550 \xff\xfe\xc3(\r\n", b"550 =?utf-8?q?=0D=0AX:?=\r\n",
            b"550 " + b"x" * 2000 + b"\r\n", b"".join(b"550-%d %s\r\n" % (n, b"y" * 500) for n in range(40)) + b"550 end\r\n",
            "550 5.1.1 \u30e6\u30fc\u30b6\u30fc\r\n".encode(), b"550-a\rAction: delivered\r\n550 b\r\n",
        ]
        host, more = self.lan.host("sink", 2), ""
        for number, octets in enumerate(hostile):
            text = octets.decode("utf-8", "surrogateescape").replace("\r\n", "\n").rstrip("\n")
            self.addCleanup(smtpsink.SmtpSink(host, 2500 + number, script={"RCPT": text}).close)
            more += HOP % (f"h{number}", 2500 + number, f"h{number}", f"h{number}")
        self.start(more)
        with self.connect() as smtp:
            for number in range(len(hostile)):
                to = f"u@h{number}.test"
                smtp.sendmail("ann@us.test", [to], client.message(to, f"h{number}", sender="ann@us.test"))
        self.inbox.wait(len(hostile))
        for octets in self.inbox.raw():
            notice = dsn.parse(octets)
            one, = notice.recipients
            self.assertEqual((one["action"], one["status"][0]), ("failed", "5"), one)
            self.assertTrue(octets.isascii())
        self.suite.stop()

    def test_our_own_refusals_have_codes_of_their_own(self):
        """No remote said anything: the code is ours (RFC 3463, RFC 7505), and the sentence beside it."""
        zone = dnszone.Zone("p.test").null_mx("null").mx("none", 10, "ghost").mx("loop", 10, "mx.us.test.")
        zone.mx("small", 10, "small-mx").address("small-mx", "192.0.2.2").mx("old", 10, "old-mx").address("old-mx", "192.0.2.3")
        small = smtpsink.SmtpSink(self.lan.host("small", 2), 25, extensions=["SIZE 100", "SMTPUTF8", "8BITMIME"])
        old = smtpsink.SmtpSink(self.lan.host("old", 3), 25, extensions=["PIPELINING"])
        self.addCleanup(small.close)
        self.addCleanup(old.close)
        dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), [zone]).start()
        self.start("dns { server 192.0.2.53:53  timeout 500ms  tries 2 }\n")
        cases = {"a@nosuch.p.test": "5.1.2", "a@null.p.test": "5.1.10", "a@none.p.test": "5.4.4", "a@loop.p.test": "5.4.6",
                 "a@small.p.test": "5.3.4", "gr\u00fcn@old.p.test": "5.6.7"}
        with self.connect() as smtp:
            for to in cases:
                utf8 = [] if to.isascii() else ["SMTPUTF8"]
                smtp.mail("ann@us.test", utf8)
                smtp.command_encoding = "utf-8"
                smtp.rcpt(to)
                smtp.data(client.message("a@p.test", to[2:].partition(".")[0], sender="ann@us.test"))
        self.inbox.wait(len(cases))
        found = {}
        for octets in self.inbox.raw():
            one, = dsn.parse(octets).recipients
            self.assertEqual(one["action"], "failed", one)
            self.assertNotIn("diagnostic-code", one)
            self.assertGreater(len(one["status"].split("(")[1]), 10, one)
            found[one["final-recipient"].partition("; ")[2]] = one["status"].split()[0]
        self.assertEqual(found, cases)
        self.suite.stop()

    def test_time_that_is_up_has_a_code_of_its_own(self):
        self.start(self.make_hops(), queue="attempts 1")
        with self.connect() as smtp:
            to = "a@plain-later.test"
            smtp.sendmail("ann@us.test", [to], client.message(to, "late", sender="ann@us.test"))
        self.inbox.wait(1)
        one, = dsn.parse(self.inbox.raw()[0]).recipients
        self.assertEqual((one["action"], one["status"]), ("failed", "5.4.7 (time is up after 1 attempt)"))
        self.assertEqual(one["diagnostic-code"], "smtp; " + REPLIES["later"])
        self.suite.stop()

    def test_postfix_is_asked_and_tells_or_is_told_for(self):
        """A next hop that knows the extension, and the same one without it."""
        more = ("transport hop { smtp { host 192.0.2.2  port 25  tls none  idle-timeout 0 } }\nroute { to peer.test  transport hop }\n")
        self.start(more)
        peer = postfix.Postfix(self.lan.host("peer", 2, software=["postfix"]), ["peer.test"],
                               settings={"relayhost": "[192.0.2.1]", "disable_dns_lookups": "yes"})
        peer.start()
        options = (["RET=HDRS", "ENVID=QQ+2B1"], ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;old@peer.test"])
        for number, (action, reporter) in enumerate([("delivered", "peer.test"), ("relayed", "mx.us.test")], 1):
            if number == 2:
                peer.change({"smtpd_discard_ehlo_keywords": "dsn"})
            with self.connect() as smtp:
                smtp.sendmail("ann@us.test", ["bob@peer.test"], client.message("bob@peer.test", f"t{number}",
                                                                             sender="ann@us.test"), *options)
            status = self.inbox.wait(number)[-1].get_payload()[1].get_payload()
            self.assertEqual([status[0]["Reporting-MTA"], status[0]["Original-Envelope-Id"], status[1]["Action"],
                              status[1]["Original-Recipient"].replace("; ", ";")],
                             [f"dns; {reporter}", "QQ+1", action, "rfc822;old@peer.test"])
            peer.mailbox().wait(number)
        rows = self.suite.qmctl("retired", "list", "--to", "bob@peer.test")
        self.assertEqual(len(rows), 2)
        for row in rows:
            last = self.suite.qmctl("retired", "show", row["id"])["history"][-1]
            theirs = re.fullmatch(r"250 2\.0\.0 Ok: (?:\d+ bytes )?queued as (\w+)", last["reply"])[1]
            peer.wait_log(f"{theirs}: removed")
            self.assertEqual(last["rcpt_reply"], "250 2.1.5 Ok")
        self.suite.stop()

    def test_exim_is_asked_and_its_refusal_is_quoted(self):
        zone = dnszone.Zone("us.test").mx("@", 10, "mx").address("mx", "192.0.2.1")
        dns = dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), [zone]).start()
        host = self.lan.host("peer", 2, software=["exim"])
        self.lan.resolve_through(dns.host)
        self.start("transport hop { smtp { host 192.0.2.2  port 25  tls none } }\nroute { to peer.test  transport hop }\n")
        refusal = '  deny local_parts = no\n       message = 5.1.1 not here,\\nnor (there\n'
        peer = exim.Exim(host, ["peer.test"], settings="dsn_advertise_hosts = *",
                         rcpt_rules=refusal)
        peer.start()
        with self.connect() as smtp:
            smtp.mail("ann@us.test", ["RET=HDRS", "ENVID=QQ+2B1"])
            smtp.rcpt("yes@peer.test", ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;old@peer.test"])
            smtp.rcpt("no@peer.test")
            smtp.data(client.message("yes@peer.test", "both", sender="ann@us.test"))
        peer.mailbox().wait()
        self.inbox.wait(2)
        found = {}
        for octets, message in zip(self.inbox.raw(), self.inbox.messages()):
            whole, one = message.get_payload()[1].get_payload()[:2]
            found[whole["Reporting-MTA"]] = octets, whole, one
        _, whole, one = found["dns; peer.test"]
        self.assertEqual((one["Action"], one["Original-Recipient"].replace("; ", ";"), whole["Original-Envelope-Id"]),
                         ("delivered", "rfc822;old@peer.test", "QQ+2B1"))  # as it came: Exim does not decode it
        ours = dsn.parse(found["dns; mx.us.test"][0])
        one, = ours.recipients
        self.assertEqual((one["action"], one["final-recipient"], one["diagnostic-code"]),
                         ("failed", "rfc822; no@peer.test", "smtp; 550-5.1.1 not here, 550 nor (there"))
        self.assertIn("\t550-5.1.1 not here,\r\n\t550 nor (there\r\n", ours.text)
        self.suite.stop()


if __name__ == "__main__":
    case.main()
