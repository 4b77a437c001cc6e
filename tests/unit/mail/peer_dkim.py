"""dkimpy verifies what lib/mail signs. Usage: peer_dkim.py HELPER"""
import random
import subprocess
import sys
import tempfile

import dkim

HELPER = sys.argv[1]
PLAIN = (b"From: a@example.org\r\nTo: b@example.net\r\nSubject: hi\r\n"
         b"Date: Fri, 11 Jul 2003 21:00:37 -0700\r\nMessage-ID: <1@example.org>\r\n")

# A last line of white space without a line end is left out: there dkimpy keeps the white space that
# RFC 6376 3.4.4 has ignored. SMTP ends every line.
BODIES = {
    "empty": b"",
    "one line end": b"\r\n",
    "line ends only": b"\r\n" * 5,
    "white space only": b" \t \r\n\t\r\n",
    "plain": b"Hello\r\n",
    "no last line end": b"Hello",
    "trailing blank lines": b"Hello\r\n\r\n\r\n\r\n",
    "trailing lines of white space": b"Hello\r\n \r\n\t\r\n  \t \r\n",
    "tabs and runs": b"a\t\tb   c \t d\t\r\n\te\r\n",
    "leading blank lines": b"\r\n\r\nHello\r\n",
    "8-bit": "gr\xfc\xdfe \u20ac\r\n".encode() + b"\xff\xfe\x80\r\n",
    "long line": b"x" * 5000 + b"\r\n",
    "dots": b".\r\n..\r\n.a\r\n",
    "control characters": b"a\x00b\x0b\x0c\x1b\x7f\r\n",
    "bare CR": b"a\rb\r\r\n\rc\r\n",
    "large": b"The quick brown fox  jumps over \t the lazy dog\r\n\r\n" * 3000,
}

HEADERS = {
    "plain": PLAIN,
    "only From": b"From: a@example.org\r\n",
    "folded": b"From: a@example.org\r\nSubject: one\r\n two\r\n\t three  four\t\r\nTo:\r\n b@example.net\r\n",
    "long": PLAIN + b"References: " + b"\r\n ".join(b"<%d@example.org>" % i for i in range(100)) + b"\r\n",
    "long line": b"From: a@example.org\r\nSubject: " + b"word " * 180 + b"\r\n",
    "twice": PLAIN + b"To: c@example.net\r\nTo: d@example.net\r\nSubject: again\r\n",
    "odd case and white space": b"FROM:a@example.org\r\nsubject: \t x \t y \r\ntO:b@example.net\r\n",
    "empty values": b"From: a@example.org\r\nSubject:\r\nCc: \r\n",
    "8-bit": PLAIN + "Cc: J\xf8rn <j@example.net>\r\n".encode() + b"X: \xff\r\n",
    "trace": b"Received: from x by y;\r\n\tFri, 11 Jul 2003 21:00:37 -0700\r\n" + PLAIN,
    "MIME": PLAIN + b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"x\"\r\n"
                    b"Content-Transfer-Encoding: 8bit\r\nIn-Reply-To: <0@x>\r\nReply-To: z@example.org\r\n",
}


def helper(*args, stdin=b""):
    return subprocess.run([HELPER, *args], input=stdin, stdout=subprocess.PIPE, check=True).stdout


class Signer:
    def __init__(self, algorithm, folder):
        self.algorithm = algorithm
        self.key = f"{folder}/{algorithm}.pem"
        with open(self.key, "wb") as f:
            f.write(helper("key", algorithm))
        self.record = helper("record", self.key)

    def sign(self, message, chunk):
        return helper("sign", self.key, "example.org", "sel", str(chunk), stdin=message)

    def verifies(self, signed):
        def dns(name, timeout=5):
            assert name == b"sel._domainkey.example.org.", name
            return self.record
        try:
            return dkim.verify(signed, dnsfunc=dns)
        except dkim.DKIMException as e:
            print("   ", e)
            return False


def check(what, ok):
    global failures
    if not ok:
        failures += 1
        print("FAILED:", what)


def random_messages(n):
    pieces = [b"\r\n", b" ", b"\t", b"a", b"Hello", b"\r\n\r\n", b"\r", b"\xc3\xa9", b"=", b".", b"x" * 80]
    rng = random.Random(7)
    for _ in range(n):
        body = b"".join(rng.choice(pieces) for _ in range(rng.randrange(60)))
        yield PLAIN + b"\r\n" + (body if body[-1:] not in (b" ", b"\t") else body + b"\r\n")


failures = 0
with tempfile.TemporaryDirectory() as folder:
    for signer in Signer("rsa-sha256", folder), Signer("ed25519-sha256", folder):
        a = signer.algorithm
        for name, body in BODIES.items():
            for chunk in (1 if len(body) < 10000 else 7, 1 << 20):
                check(f"{a}, body: {name}", signer.verifies(signer.sign(PLAIN + b"\r\n" + body, chunk)))
        for name, header in HEADERS.items():
            check(f"{a}, header: {name}", signer.verifies(signer.sign(header + b"\r\nHello\r\n", 3)))
        check(f"{a}, no body at all", signer.verifies(signer.sign(PLAIN, 1)))
        for message in random_messages(60):
            check(f"{a}, random: {message!r}", signer.verifies(signer.sign(message, 5)))
        signed = signer.sign(PLAIN + b"\r\nHello\r\n", 3)
        for added in b"To: x@y\r\n", b"Subject: y\r\n", b"Content-Type: text/html\r\n", b"Cc: x\r\n":
            check(f"{a}, {added!r} added above", not signer.verifies(added + signed))
            check(f"{a}, {added!r} added below", not signer.verifies(signed.replace(b"From:", added + b"From:")))
        check(f"{a}, body changed", not signer.verifies(signed + b"x\r\n"))
        check(f"{a}, other field added", signer.verifies(b"Received: z\r\n" + signed))
print(f"{failures} failed")
sys.exit(failures > 0)
