"""Debian's OpenSMTPD on a host, receiving into Maildirs and sending by MX."""

from . import mailbox, service

UID, QUEUE_UID, MAIL_UID = 31041, 31042, 31043

_CONFIG = """\
listen on 0.0.0.0 port 25 hostname {name}.test
listen on :: port 25 hostname {name}.test
listen on socket
action "keep" maildir "/home/qmmail/%{{rcpt}}" virtual {{ "@" = qmmail }}
action "send" relay helo {name}.test
{match}
match from local for any action "send"
{settings}
"""


class OpenSmtpd(service.Service):
    """Takes mail for any address in `domains` into a Maildir each. settings: further lines."""

    def __init__(self, host, domains=(), settings=""):
        super().__init__(host, "opensmtpd")
        host.add_user("opensmtpd", UID, home="/var/empty")
        host.add_user("opensmtpq", QUEUE_UID, home="/var/empty")
        host.add_user("qmmail", MAIL_UID, home="/home/qmmail", shell="/bin/sh")
        match = "".join(f'match from any for domain "{domain}" action "keep"\n' for domain in domains)
        host.write("/etc/smtpd.conf", _CONFIG.format(name=host.name, match=match, settings=settings))
        host.write("/etc/mailname", f"{host.name}.test\n")
        host.run(["sh", "-c", "chmod 755 /var/empty; chgrp opensmtpq "
                              "/usr/sbin/smtpctl; chmod 2755 /usr/sbin/smtpctl"])

    def start(self):
        return self.launch(["smtpd", "-d", "-f", "/etc/smtpd.conf"], 25)

    def mailbox(self, address):
        return mailbox.Maildir(self.host.path(f"/home/qmmail/{address.lower()}"))
