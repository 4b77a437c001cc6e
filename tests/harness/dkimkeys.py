"""DKIM keys for a domain of the suite, and the verdict of dkimpy on what they signed.

    keys = dkimkeys.Keys("us.test", rsa="r", ed25519="e")     # kind -> selector
    keys.publish(zone)
    keys.files(suite)                   # puts the keys there; text for the domain's block
    keys.verify(octets, dns.host.v4)    # {"r": True, "e": True}
"""

import base64
import subprocess

from . import dnsquery

_GENPKEY = {"rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "ed25519": ["-algorithm", "ED25519"]}
TXT = 16


class Keys:
    """pem: kind -> the private key as PEM text."""

    def __init__(self, domain, **selectors):
        self.domain, self.selectors = domain, selectors
        self.pem = {kind: _openssl(["genpkey", *_GENPKEY[kind]]).decode() for kind in selectors}

    def publish(self, zone):
        for kind, selector in self.selectors.items():
            der = _openssl(["pkey", "-pubout", "-outform", "DER"], self.pem[kind])
            key = der[-32:] if kind == "ed25519" else der  # RFC 8463 section 4.2: the bare key
            zone.txt(f"{selector}._domainkey", f"v=DKIM1; k={kind}; p={_base64(key)}")

    def files(self, suite):
        """Puts the keys into the suite's folder; returns the dkim blocks of the domain."""
        text = ""
        for kind, selector in self.selectors.items():
            suite.add_file(f"dkim/{selector}.pem", self.pem[kind])
            text += f'    dkim {selector} {{ key-file "dkim/{selector}.pem" }}\n'
        return text

    def verify(self, octets, server):
        """selector -> whether that signature of the message is good by the keys that `server` publishes."""
        import dkim  # python3-dkim: only those who sign need it

        def txt(name, timeout=5):
            _, _, answers = dnsquery.ask(server, name.decode().rstrip("."), TXT)
            return b"".join(_strings(answers[0])) if answers else None

        octets = octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        verifier = dkim.DKIM(octets)
        count = sum(name.lower() == b"dkim-signature" for name, _ in verifier.headers)
        found = {}
        for i in range(count):
            one = dkim.DKIM(octets)
            good = one.verify(idx=i, dnsfunc=txt)
            assert one.domain == self.domain.encode(), one.domain
            found[one.selector.decode()] = good
        return found


def _strings(data):
    at = 0
    while at < len(data):
        yield data[at + 1:at + 1 + data[at]]
        at += 1 + data[at]


def _openssl(words, text=None):
    return subprocess.run(["openssl", *words], input=text.encode() if text else None, capture_output=True,
                          check=True).stdout


def _base64(octets):
    return base64.b64encode(octets).decode()
