"""Makes notifications about mail, as Debian's mail servers write them, for tests of whoever reads them.

    PYTHONPATH=tests python3 tests/harness/reports.py [FOLDER]

Each server is handed mail from ann@sender.test, which it cannot pass on, or not yet, or has to tell of; what it
then sends to ann comes into FOLDER (tests/fuzz/corpus/dsnread by default) as <server>-<version>-<what>, octets as
they came. No test runs it: what it wrote is kept in the tree.
"""

import pathlib
import re
import sys

from harness import case, client, dnszone, exim, opensmtpd, postfix, sendmail, smtpsink, wait

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "fuzz/corpus/dsnread"
REFUSALS = {"nobody": "550-5.1.1 <nobody@other.test>: User unknown\n550 5.1.1 in local recipient table",
            "full": "552 5.2.2 <full@other.test>: Over quota", "slow": "451 4.3.0 <slow@other.test>: Not now"}
# What is asked for: recipients, NOTIFY, and the Action that the notification has.
CASES = {"refused": (["nobody@other.test"], "", "failed"), "two": (["nobody@other.test", "full@other.test"], "", "failed"),
         "unknown": (["who@here.test"], "", "failed"), "delayed": (["slow@other.test"], "", "delayed"),
         "relayed": (["fine@other.test"], "SUCCESS", "relayed|delivered")}


class Next(smtpsink.Conversation):
    """Answers RCPT by the recipient."""

    def on_rcpt(self, line):
        name = re.search("<([^@>]*)", line)[1]
        if name in REFUSALS:
            self.send(REFUSALS[name].replace("\n", "\r\n").encode() + b"\r\n", 0)
        else:
            super().on_rcpt(line)


class Host(smtpsink.SmtpSink):
    @property
    def conversation(self):
        return Next


class Reports(case.LanCase):
    def make(self, name, version, server):
        """server: called with the host it is to run on."""
        hosts = {one: Host(self.lan.host(one), 25) for one in ("sender", "other")}
        zones = [dnszone.Zone(f"{one}.test").mx("@", 10, "mx").address("mx", sink.address).address("@", sink.address)
                 for one, sink in hosts.items()]
        for sink in hosts.values():
            self.addCleanup(sink.close)
        peer = self.lan.host("peer", software=[name])
        zones.append(dnszone.Zone("peer.test").address("@", peer.v4))
        self.lan.resolve_through(dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), zones).start().host)
        server(peer).start()
        def mails():
            return hosts["sender"].mails
        for what, (to, notify, action) in CASES.items():
            before = len(mails())
            with client.connect(peer.v4, 25) as smtp:
                options = [f"NOTIFY={notify}"] if notify else []
                smtp.sendmail("ann@sender.test", to, client.message(to[0], f"about-{what}", sender="ann@sender.test"), [], options)
            wanted = re.compile(rb"(?im)^action: *(%s)" % action.encode())
            octets = wait.until(lambda: [mail.data for mail in mails()[before:] if wanted.search(mail.data)], 30,
                                lambda: f"{name} to tell of {what}")[0]
            target.mkdir(parents=True, exist_ok=True)
            (target / f"{name}-{version}-{what}").write_bytes(octets)

    def test_postfix(self):
        self.make("postfix", "3.7", lambda host: postfix.Postfix(host, ["here.test"], ["ann@here.test"], settings={
            "mynetworks": "192.0.2.0/24", "delay_warning_time": "1s", "smtpd_reject_unlisted_recipient": "no"}))

    def test_exim(self):
        self.make("exim", "4.96", lambda host: exim.Exim(
            host, ["here.test"], ["ann@here.test"], relay_from="192.0.2.254", settings="delay_warning = 1s\ndsn_advertise_hosts = *"))

    def test_sendmail(self):
        self.make("sendmail", "8.17", lambda host: sendmail.Sendmail(host, ["here.test"], ["ann@here.test"], settings="""\
FEATURE(`promiscuous_relay')dnl
define(`confTO_QUEUEWARN', `1s')dnl
"""))

    def test_opensmtpd(self):
        self.make("opensmtpd", "6.8", lambda host: opensmtpd.OpenSmtpd(host, settings="""\
match from src 192.0.2.0/24 for any action "send"
bounce warn-interval 1s
"""))


if __name__ == "__main__":
    target = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else FOLDER).resolve()
    case.main()
