"""Debian's Dovecot on a host: IMAP, and SASL for Postfix, over one list of users."""

import imaplib

from . import mailbox, service

UID, LOGIN_UID, MAIL_UID = 31031, 31032, 31033
IMAP, SASL = 143, 12345

_CONFIG = """\
protocols = imap
listen = *, ::
log_path = {work}/dovecot.log
ssl = no
disable_plaintext_auth = no
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
mail_location = {location}
mail_uid = {owner}
mail_gid = {owner}
first_valid_uid = 100
default_internal_user = dovecot
default_login_user = dovenull
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u /etc/dovecot/users
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home=/var/mail/%u
}}
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  inet_listener imap {{
    port = 143
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  inet_listener {{
    port = 12345
  }}
}}
{settings}
"""


class Dovecot(service.Service):
    """users: name or address -> password. settings: further lines of dovecot.conf. location: of the mailboxes, with
    %u for the user, and owner: the user whose they are.

    Ports: 143 IMAP, 12345 SASL (Postfix: smtpd_sasl_type = dovecot, smtpd_sasl_path =
    inet:127.0.0.1:12345)."""

    def __init__(self, host, users, mechanisms="plain login cram-md5 scram-sha-1 scram-sha-256",
                 settings="", location="maildir:/var/mail/%u", owner="qmmail"):
        super().__init__(host, "dovecot")
        for user, uid in (("dovecot", UID), ("dovenull", LOGIN_UID), ("qmmail", MAIL_UID)):
            host.add_user(user, uid)
        self.users = dict(users)
        host.write("/etc/dovecot/dovecot.conf", _CONFIG.format(
            work=host.work, mechanisms=mechanisms, settings=settings, location=location, owner=owner))
        host.write("/etc/dovecot/users", "".join(f"{user}:{{PLAIN}}{password}\n"
                                                 for user, password in users.items()))
        host.run(["sh", "-c", "chown qmmail:qmmail /var/mail; mkdir -p /run/dovecot"])

    def start(self):
        return self.launch(["dovecot", "-F"], IMAP)

    def mailbox(self, user):
        """The user's Maildir."""
        return mailbox.Maildir(self.host.path(f"/var/mail/{user}"))

    def imap(self, user):
        """A logged-in imaplib.IMAP4, as a mail program would see it."""
        client = imaplib.IMAP4(self.host.v4, IMAP)
        client.login(user, self.users[user])
        return client
