"""Debian's Sendmail on a host, receiving into Maildirs and sending by MX.

As a sender it looks every domain up that stands in an address, its own sender's too, and waits for a name server that
does not know it.

It logs to syslog alone, which hosts do not have; what it said to whom is in its log instead (its option -X): lines of
"PID <<< what a client said" and "PID >>> what it answered".
"""

from . import mailbox, service

UID, MSP_UID, MAIL_UID = 31051, 31052, 31053
PARTS = "/usr/libexec/sendmail"

_CONFIG = """\
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`debian')dnl
define(`confDOMAIN_NAME', `{name}.test')dnl
define(`confSERVICE_SWITCH_FILE', `/etc/mail/service.switch')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confQUEUE_LA', `1000')dnl
define(`confTO_IDENT', `0')dnl
define(`confTO_CONNECT', `5s')dnl
define(`confTO_RESOLVER_RETRY', `1')dnl
define(`confTO_RESOLVER_RETRANS', `1s')dnl
define(`confMIN_QUEUE_AGE', `0')dnl
undefine(`confHOST_STATUS_DIRECTORY')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`no_default_msa')dnl
DAEMON_OPTIONS(`Name=MTA, Family=inet6, Port=25')dnl
{settings}
MAILER(`local')dnl
MAILER(`smtp')dnl
MAILER_DEFINITIONS
Mkeep,	P=/usr/lib/keep-mail, F=lsDFMPeu5:|/@qA, U=qmmail:qmmail, S=EnvFromL/HdrFromL, R=EnvToL/HdrToL, T=DNS/RFC822/X-Unix,
	A=keep-mail $u $h
LOCAL_RULE_0
{routes}
"""

# One message into the Maildir of its recipient, if there is one.
_KEEP = """\
#!/bin/sh
box=/var/mail/$1@$2
if [ -e /etc/mail/any ]; then box=/var/mail/any; mkdir -p $box/tmp $box/new $box/cur; fi
[ -d "$box/new" ] || exit 67
{ echo "Envelope-To: $1@$2"; cat; } >"$box/tmp/$$" && mv "$box/tmp/$$" "$box/new/$$.$(date +%s%N).keep"
"""


class Sendmail(service.Service):
    """Takes mail for `domains` into Maildirs, and from its own host for anywhere.

    mailboxes: the addresses that exist, in small letters, each with a Maildir of its own; None for any
    address at all, all into one Maildir.
    settings: further lines of its .mc file.
    """

    def __init__(self, host, domains=(), mailboxes=None, settings=""):
        super().__init__(host, "sendmail")
        host.add_user("smmta", UID, home="/var/lib/sendmail")
        host.add_user("smmsp", MSP_UID, home="/var/lib/sendmail")
        host.add_user("qmmail", MAIL_UID, home="/var/mail")
        routes = "".join(f"R$+ < @ {domain} . > $*\t$#keep $@ {domain} $: $1\n"
                         f"R$+ < @ {domain} > $*\t$#keep $@ {domain} $: $1\n" for domain in domains)
        relay = "".join(f"RELAY_DOMAIN(`{domain}')dnl\n" for domain in domains)
        host.write("/etc/mail/sendmail.mc", _CONFIG.format(name=host.name, settings=relay + settings, routes=routes))
        host.write("/etc/mail/service.switch", "hosts dns files\naliases files\n")
        host.write("/etc/mail/local-host-names", "")
        host.write("/etc/mail/trusted-users", "root\n")
        host.write("/etc/mail/aliases", "")
        host.write("/usr/lib/keep-mail", _KEEP, 0o755)
        for one in mailboxes or []:
            for part in ("tmp", "new", "cur"):
                host.path(f"/var/mail/{one}/{part}").mkdir(parents=True)
        if mailboxes is None:
            host.write("/etc/mail/any", "")
        host.run(["sh", "-ec", f"""
chown -R qmmail:qmmail /var/mail
mkdir -p /var/lib/sendmail /var/spool/mqueue /var/run/sendmail/mta
chmod 700 /var/spool/mqueue
cd /etc/mail
m4 sendmail.mc >sendmail.cf
{PARTS}/sendmail -bi -OAliasFile=/etc/mail/aliases >/dev/null"""])

    def start(self):
        return self.launch([f"{PARTS}/sendmail", "-bD", "-q2s", "-X", self.log_path], 25)

    def sessions(self):
        """What was said with each client, in order, as texts of "<<< LINE" and ">>> LINE"."""
        found = {}
        for line in self.log().splitlines():
            pid, _, rest = line.partition(" ")
            if rest[:3] in ("<<<", ">>>"):
                found.setdefault(pid, []).append(rest)
        return ["\n".join(lines) for lines in found.values()]

    def send(self, sender, recipients, text):
        self.host.run([f"{PARTS}/sendmail", "-Am", "-i", "-f", sender, *recipients], input=text)

    def mailbox(self, address="any"):
        """The Maildir of one of `mailboxes`, or the one for all."""
        return mailbox.Maildir(self.host.path(f"/var/mail/{address}"))
