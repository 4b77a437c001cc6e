"""Debian's Postfix on a host: as receiving MTA, as sending MTA, and its load tools.

    peer = lan.host("mx", software=["postfix"])
    mx = postfix.Postfix(peer, domains=["example.net"])
    mx.start()
    mx.mailbox().wait()
"""

import os
import re
import time

from . import mailbox, service

UID, DROP_GID, MAIL_UID = 31001, 31002, 31003

# Settings and listener for very many clients at once: few processes, but all may wait. The limit of processes is also how many
# connections the kernel keeps; one beyond that seems to be open to the client, and to the server is not there yet.
CROWD = {"smtpd_client_connection_count_limit": "0", "default_process_limit": "500"}
CROWD_LISTENER = "smtp      inet  n - n -   20 smtpd"

# name, type, chrooted and wake-up columns are the same for most; see master(5).
_MASTER = """\
{smtpd}
pickup    unix  n - n 1   1 pickup
cleanup   unix  n - n -   0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n -   - trivial-rewrite
bounce    unix  - - n -   0 bounce
defer     unix  - - n -   0 bounce
trace     unix  - - n -   0 bounce
verify    unix  - - n -   1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n -   - proxymap
smtp      unix  - - n -   - smtp
relay     unix  - - n -   - smtp
showq     unix  n - n -   - showq
error     unix  - - n -   - error
retry     unix  - - n -   - error
discard   unix  - - n -   - discard
local     unix  - n n -   - local
virtual   unix  - n n -   - virtual
lmtp      unix  - - n -   - lmtp
anvil     unix  - - n -   1 anvil
scache    unix  - - n -   1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


def _main(host, domains, named, more):
    settings = {
        "compatibility_level": "3.6",
        "maillog_file": str(host.work / "postfix.log"),
        "maillog_file_prefixes": str(host.work),
        "myhostname": host.name + ".test",
        "mydestination": "",
        "mynetworks": "127.0.0.0/8 [::1]/128",
        "inet_interfaces": "all",
        "inet_protocols": "all",
        "virtual_mailbox_domains": ", ".join(domains),
        "virtual_mailbox_base": "/var/mail",
        "virtual_mailbox_maps": "texthash:/etc/postfix/mailboxes" if named else "static:any/",
        "virtual_uid_maps": f"static:{MAIL_UID}",
        "virtual_gid_maps": f"static:{MAIL_UID}",
        "virtual_minimum_uid": "100",
        "alias_maps": "",
        "local_recipient_maps": "",
        "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
        "smtpd_tls_security_level": "none",
        "smtp_tls_security_level": "may",
        "smtp_dns_support_level": "enabled",
        "smtp_host_lookup": "dns",
        "smtputf8_enable": "yes",
        "smtpd_peername_lookup": "no",
        "in_flow_delay": "0",
        "minimal_backoff_time": "2s",
        "maximal_backoff_time": "4s",
        "queue_run_delay": "2s",
        "import_environment": "MAIL_CONFIG TZ LANG",
    }
    settings.update(more)
    return "".join(f"{key} = {value}\n" for key, value in settings.items())


class Postfix(service.Service):
    """Takes mail for `domains` into Maildirs, and mail of its own host's users for anywhere.

    mailboxes: the addresses that exist, in small letters, each with a Maildir of its own; None for any
    address at all, all into one Maildir.
    settings: main.cf settings over the ones above. listeners: lines of master.cf that replace the
    plain smtpd on port 25. extra: further lines of master.cf.
    """

    def __init__(self, host, domains=(), mailboxes=None, settings=None, listeners=None, extra=""):
        super().__init__(host, "postfix")
        self._make_users()
        self._domains, self._mailboxes, self._settings = list(domains), mailboxes, dict(settings or {})
        self._write_main()
        smtpd = "smtp      inet  n - n -   - smtpd" if listeners is None else listeners
        self._write("master.cf", _MASTER.format(smtpd=smtpd) + extra)
        self._write("mailboxes", "".join(f"{one} {one}/\n" for one in mailboxes or []))
        host.write("/etc/aliases", "")
        host.write("/etc/mailname", host.name + ".test\n")

    def _write(self, name, text):
        """Writes a file in /etc/postfix, aged: Postfix waits up to 2 s for a younger one to settle."""
        self.host.write(f"/etc/postfix/{name}", text)
        aged = time.time() - 60
        os.utime(self.host.path(f"/etc/postfix/{name}"), (aged, aged))

    def _write_main(self):
        self._write("main.cf", _main(self.host, self._domains, self._mailboxes is not None,
                                     self._settings))

    def _make_users(self):
        self.host.add_user("postfix", UID, home="/var/spool/postfix")
        self.host.add_group("postdrop", DROP_GID)
        self.host.add_user("qmmail", MAIL_UID, home="/var/mail")
        self.host.run(["sh", "-c", """set -e
chown root:postdrop /usr/sbin/postdrop /usr/sbin/postqueue
chmod 2755 /usr/sbin/postdrop /usr/sbin/postqueue
mkdir -p /var/spool/postfix /var/lib/postfix /var/mail
chown postfix:root /var/lib/postfix
chown qmmail:qmmail /var/mail
cd /var/spool/postfix
mkdir -p pid active bounce corrupt defer deferred flush hold incoming private saved trace maildrop public
chmod 755 . pid
chown root:root . pid
chown postfix:root active bounce corrupt defer deferred flush hold incoming private saved trace
chown postfix:postdrop maildrop public
chmod 700 active bounce corrupt defer deferred flush hold incoming private saved trace
chmod 730 maildrop
chmod 710 public"""])

    def start(self, port=25):
        """Starts it and waits for its port (None for a host that only sends)."""
        self.launch(["/usr/lib/postfix/sbin/master", "-d"], port)
        if port is None:
            self.wait_log("daemon started")
        return self

    def change(self, settings):
        """Lays these main.cf settings over the present ones while it runs."""
        self._settings.update(settings)
        self._write_main()
        reloads = self.log().count("reload -- version")
        self.host.run(["postfix", "reload"])
        self.wait_log("reload -- version", count=reloads + 1)

    def send(self, sender, recipients, text, options=()):
        """Hands a message to its sendmail command, which puts it into the queue."""
        self.host.run(["sendmail", "-i", "-f", sender, *options, *recipients], input=text)

    def queue(self):
        """postqueue -p, as text."""
        return self.host.run(["postqueue", "-p"]).stdout

    def queue_ids(self):
        return re.findall(r"^([0-9A-Za-z]{6,})[*!]?\s", self.queue(), re.MULTILINE)

    def flush(self):
        """Tries everything in the queue now."""
        self.host.run(["postqueue", "-f"])

    def mailbox(self, address="any"):
        """The Maildir of one of `mailboxes`, or the one for all."""
        return mailbox.Maildir(self.host.path(f"/var/mail/{address}"))


class Sink(service.Service):
    """smtp-sink: takes any mail and drops it, or keeps it with dump=True (see dumped())."""

    def __init__(self, host, port=25, options=(), dump=False):
        super().__init__(host, f"smtp-sink-{port}")
        self.port, self.options = port, list(options)
        self._folder = host.work / f"sink-{port}" if dump else None
        host.add_user("postfix", UID)

    def start(self):
        command = ["smtp-sink", *self.options, "-u", "postfix"]
        if self._folder:
            self._folder.mkdir(exist_ok=True)
            self._folder.chmod(0o777)
            command += ["-d", f"{self._folder}/%M."]
        return self.launch([*command, f":{self.port}", "1000"], self.port)

    def dumped(self):
        """The messages kept, each with smtp-sink's X- lines in front, as octets."""
        return [path.read_bytes() for path in sorted(self._folder.glob("*"))]


def source(host, address, count, port=25, sessions=4, size=2000, sender="load@source.test",
           recipient="load@sink.test", options=(), timeout=120):
    """smtp-source on `host` sends `count` messages of `size` octets over `sessions` connections at a
    time to address:port. Raises net.CommandFailed when one is refused."""
    target = f"[{address}]:{port}"
    host.run(["smtp-source", "-m", str(count), "-s", str(sessions), "-l", str(size), "-f", sender,
              "-t", recipient, *options, f"inet:{target}"], timeout=timeout)
