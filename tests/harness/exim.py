"""Debian's Exim on a host, receiving into Maildirs and sending by MX."""

import re

from . import mailbox, service

UID, MAIL_UID = 31021, 31022

_CONFIG = """\
primary_hostname = {name}.test
exim_user = Debian-exim
exim_group = Debian-exim
log_file_path = {work}/exim.%s.log
log_selector = +all
domainlist local_domains = {domains}
hostlist relay_from = <; 127.0.0.1 ; ::1 ; {relay_from}
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = accept_all
tls_advertise_hosts =
never_users =
smtp_accept_max = 200
host_lookup =
rfc1413_query_timeout = 0s
local_from_check = false
untrusted_set_sender = *
ignore_bounce_errors_after = 1h
{settings}

begin acl
accept_all:
  accept
acl_rcpt:
{rcpt_rules}  accept hosts = +relay_from
  accept domains = +local_domains
         verify = recipient
  deny message = relay not permitted

begin routers
mailboxes:
  driver = accept
  domains = +local_domains
  condition = ${{lookup{{$local_part@$domain}}lsearch*{{/etc/exim4/mailboxes}}{{yes}}{{no}}}}
  transport = maildir
  no_more
outside:
  driver = dnslookup
  domains = ! +local_domains
  transport = remote
  ignore_target_hosts = 0.0.0.0 : 127.0.0.0/8
  no_more

begin transports
maildir:
  driver = appendfile
  directory = /var/mail/${{lookup{{$local_part@$domain}}lsearch*{{/etc/exim4/mailboxes}}}}
  maildir_format
  delivery_date_add
  envelope_to_add
  return_path_add
  create_directory
  user = qmmail
  group = qmmail
remote:
  driver = smtp
{remote}

begin retry
* * F,1h,5s
"""


class Exim(service.Service):
    """Takes mail for `domains` into Maildirs, relays for hosts in relay_from.

    mailboxes: the addresses that exist, each with a Maildir of its own; None for any address at all,
    all into one Maildir.
    settings: further lines of the main section. rcpt_rules: ACL lines that come first for RCPT, each
    indented by two spaces. remote: further lines of the smtp transport, likewise.
    """

    def __init__(self, host, domains=(), mailboxes=None, relay_from="", settings="", rcpt_rules="", remote=""):
        super().__init__(host, "exim")
        host.add_user("Debian-exim", UID, home="/var/spool/exim4")
        host.add_user("qmmail", MAIL_UID, home="/var/mail")
        text = _CONFIG.format(name=host.name, work=host.work, domains=" : ".join(domains),
                              relay_from=relay_from, settings=settings, rcpt_rules=rcpt_rules,
                              remote=remote)
        host.write("/etc/exim4/exim4.conf", text)
        known = {"*": "any"} if mailboxes is None else {one: one for one in mailboxes}
        host.write("/etc/exim4/mailboxes", "".join(f"{one}: {place}\n" for one, place in known.items()))
        host.run(["sh", "-c", """set -e
mkdir -p /var/spool/exim4 /var/log/exim4
chown -R Debian-exim:Debian-exim /var/spool/exim4 /var/log/exim4 "$1"
chown qmmail:qmmail /var/mail
chmod u+s /usr/sbin/exim4""", "sh", str(host.work)])

    @property
    def log_path(self):
        return self.host.work / "exim.main.log"

    def start(self, port=25):
        return self.launch(["exim4", "-bdf", "-q2s", "-oX", str(port)], port)

    def send(self, sender, recipients, text):
        self.host.run(["exim4", "-i", "-f", sender, *recipients], input=text)

    def queue_ids(self):
        return re.findall(r"\s([0-9A-Za-z]{6}-[0-9A-Za-z]{6}-[0-9A-Za-z]{2})\s",
                          self.host.run(["exim4", "-bp"]).stdout)

    def mailbox(self, address="any"):
        """The Maildir of one of `mailboxes`, or the one for all."""
        return mailbox.Maildir(self.host.path(f"/var/mail/{address}"))
