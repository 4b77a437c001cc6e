"""A client that sends mail to the suite over SMTP, with any login. (For HTTP there is api.py.)

    client.send(us.v4, 25, "a@example.org", ["b@us.test"], client.message("b@us.test", token))
    with client.connect(us.v4, 587, starttls=True) as smtp:
        client.scram(smtp, "b@us.test", "secret")
"""

import base64
import hashlib
import hmac
import os
import smtplib
import ssl

NAME = "client.test"  # what a client says in EHLO


def message(recipient, token, sender="sender@example.org", size=0, extra=""):
    """A small message as octets. token: its subject and the left half of its Message-ID; size: at least so
    many octets; extra: further header lines, each ended by CRLF."""
    head = (f"From: {sender}\r\nTo: {recipient}\r\nSubject: {token}\r\nMessage-ID: <{token}@client.test>\r\n"
            f"Date: Fri, 27 Nov 2026 12:00:00 +0000\r\n{extra}\r\n")
    body = f"This is {token}.\r\n.A line that begins with a dot\r\n"
    line = "0123456789abcdef" * 4 + "\r\n"
    missing = max(0, size - len(head) - len(body))
    return (head + body + line * (-(-missing // len(line)))).encode()


def any_certificate():
    """A TLS context that takes the self-signed certificates of tests."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def connect(address, port, starttls=False, implicit=False, context=None, timeout=30):
    """An smtplib client that has said EHLO, within TLS if asked to. context: any_certificate() by default."""
    context = context or any_certificate()
    if implicit:
        smtp = smtplib.SMTP_SSL(address, port, NAME, timeout=timeout, context=context)
    else:
        smtp = smtplib.SMTP(address, port, NAME, timeout=timeout)
    if starttls:
        smtp.starttls(context=context)
    smtp.ehlo()
    return smtp


def send(address, port, sender, recipients, octets, login=None, **how):
    """Sends one message; login: (name, password) for AUTH PLAIN. Returns the refused recipients as smtplib
    does, whose errors it raises."""
    with connect(address, port, **how) as smtp:
        if login:
            plain(smtp, *login)
        return smtp.sendmail(sender, recipients, octets)


def plain(smtp, name, password):
    """AUTH PLAIN, whatever the server offers."""
    smtp.user, smtp.password = name, password
    return smtp.auth("PLAIN", smtp.auth_plain)


def scram(smtp, name, password):
    """AUTH SCRAM-SHA-256 (RFC 7677); the server's proof is checked."""
    talk = _Scram(name, password)
    answer = smtp.auth("SCRAM-SHA-256", talk)
    assert talk.proved, "the server did not prove that it knows the password"
    return answer


class _Scram:
    """The client's side of RFC 5802, without channel binding, as smtplib wants it."""

    def __init__(self, name, password):
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        name = name.replace("=", "=3D").replace(",", "=2C")
        self.first, self.password, self.proved = f"n={name},r={self.nonce}", password.encode(), False

    def __call__(self, challenge=None):
        if challenge is None:
            return "n,," + self.first
        fields = dict(part.split("=", 1) for part in challenge.decode().split(","))
        if "v" in fields:
            self.proved = hmac.compare_digest(base64.b64decode(fields["v"]), self.signature)
            return ""
        assert fields["r"].startswith(self.nonce)
        salted = hashlib.pbkdf2_hmac("sha256", self.password, base64.b64decode(fields["s"]), int(fields["i"]))
        last = f"c=biws,r={fields['r']}"
        signed = f"{self.first},{challenge.decode()},{last}".encode()
        key = _mac(salted, b"Client Key")
        proof = bytes(a ^ b for a, b in zip(key, _mac(hashlib.sha256(key).digest(), signed)))
        self.signature = _mac(_mac(salted, b"Server Key"), signed)
        return f"{last},p={base64.b64encode(proof).decode()}"


def _mac(key, octets):
    return hmac.new(key, octets, "sha256").digest()
