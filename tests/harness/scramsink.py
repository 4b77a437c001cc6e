"""An SMTP server that takes a login by SCRAM bound to its certificate: tls-server-end-point (RFC 5929).

    sink = ScramSink(host, 587, user="u", password="p", certificate=pem_path, tls=context)
    sink.logins            # a line for each: "SCRAM-SHA-256-PLUS tls-server-end-point ok"

No server of Debian's binds to that. Without `certificate` a login that is bound to one is refused.
"""

import base64
import hashlib
import hmac
import os
import pathlib
import ssl

from . import smtpsink

MECHANISM = "SCRAM-SHA-256-PLUS"


class ScramSink(smtpsink.SmtpSink):
    def __init__(self, host, port, user, password, certificate, **more):
        self.user, self.password, self.logins = user, password, []
        leaf = pathlib.Path(certificate).read_text().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
        # That hash which the certificate's own signature has: SHA-256, in this harness.
        self.end_point = hashlib.sha256(ssl.PEM_cert_to_DER_cert(leaf)).digest()
        super().__init__(host, port, extensions=("STARTTLS", f"AUTH {MECHANISM}", "ENHANCEDSTATUSCODES"), **more)

    @property
    def conversation(self):
        return _Scram


class _Scram(smtpsink.Conversation):
    def on_auth(self, line):
        words = line.split()
        if words[1].upper() != MECHANISM:
            return self.end(words[1], "504 5.5.4 not that one")
        first = self.decode(words[2]) if len(words) > 2 else self.ask(b"")
        header, kind, nonce, bare = self.first(first)
        nonce += base64.b64encode(os.urandom(18)).decode()
        salt, rounds = os.urandom(16), 4096
        reply = f"r={nonce},s={base64.b64encode(salt).decode()},i={rounds}"
        final = self.ask(reply.encode()).decode()
        without_proof, _, proof = final.rpartition(",p=")
        wanted = base64.b64encode(header.encode() + self.sink.end_point).decode()
        key = hashlib.pbkdf2_hmac("sha256", self.sink.password.encode(), salt, rounds)
        client_key = hmac.digest(key, b"Client Key", "sha256")
        said = ",".join((bare, reply, without_proof)).encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), said, "sha256")
        right = bytes(a ^ b for a, b in zip(client_key, signature))
        if without_proof != f"c={wanted},r={nonce}":
            return self.end(f"{MECHANISM} {kind} other binding", "535 5.7.8 no")
        if base64.b64decode(proof) != right or f"n={self.sink.user}," not in bare + ",":
            return self.end(f"{MECHANISM} {kind} wrong password", "535 5.7.8 no")
        server_key = hmac.digest(key, b"Server Key", "sha256")
        self.ask(b"v=" + base64.b64encode(hmac.digest(server_key, said, "sha256")))
        return self.end(f"{MECHANISM} {kind} ok", "235 2.7.0 welcome")

    def first(self, text):
        """The client's first message: its header, the kind of binding, the nonce, all behind the header."""
        flag, authzid, bare = text.decode().split(",", 2)
        nonce = [one[2:] for one in bare.split(",") if one.startswith("r=")][0]
        return f"{flag},{authzid},", flag.removeprefix("p="), nonce, bare

    def ask(self, challenge):
        self.send(b"334 " + base64.b64encode(challenge) + b"\r\n", 0)
        return self.decode(self.read_line())

    def decode(self, word):
        return b"" if word == "=" else base64.b64decode(word)

    def end(self, what, reply):
        self.sink.logins.append(what)
        self.send(reply.encode() + b"\r\n", 0)
