"""Certificates for peers: an authority of the test's own, made with openssl.

    ca = certs.Authority(folder)
    cert, key = ca.issue("mx", "mx.example.net")
    zone.add("_25._tcp.mx", "TLSA", certs.tlsa(cert))
"""

import hashlib
import pathlib
import ssl
import subprocess


class Authority:
    """A certificate authority whose files lie in `folder`; root is its certificate's path."""

    def __init__(self, folder, name="Test Authority"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.root, self._key = self.folder / "ca.pem", self.folder / "ca.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                 "-subj", f"/CN={name}", "-keyout", self._key, "-out", self.root,
                 "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(self, file, *names, days=30, start=None, end=None, rsa=False):
        """Makes folder/file.pem (certificate, then the authority's) and file.key; returns both paths.

        names: DNS names, the first is the subject's. rsa: with a key of that kind. start, end: YYYYMMDDHHMMSSZ, for one that is not
        valid now, instead of `days` from now."""
        cert, key, request = (self.folder / f"{file}.{kind}" for kind in ("pem", "key", "csr"))
        kind = ["rsa:2048"] if rsa else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        _openssl("req", "-new", "-newkey", *kind, "-nodes", "-subj", f"/CN={names[0]}", "-keyout", key, "-out", request)
        config = self.folder / f"{file}.cnf"
        (self.folder / "index").write_text("")
        config.write_text(f"""[ca]
default_ca = own
[own]
database = {self.folder}/index
new_certs_dir = {self.folder}
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[leaf]
subjectAltName = {",".join("DNS:" + name for name in names)}
""")
        when = ["-startdate", start, "-enddate", end] if start else ["-days", str(days)]
        _openssl("ca", "-batch", "-notext", "-config", config, "-extensions", "leaf", "-in", request,
                 "-cert", self.root, "-keyfile", self._key, "-out", cert, *when)
        cert.write_text(cert.read_text() + self.root.read_text())
        return cert, key


def tlsa(cert, usage=3, selector=1, matching=1):
    """The data of a TLSA record for the first certificate in a PEM file (RFC 6698); matching: 1 SHA-256, 2 SHA-512."""
    end = "-----END CERTIFICATE-----\n"
    der = ssl.PEM_cert_to_DER_cert(pathlib.Path(cert).read_text().split(end)[0] + end)
    if selector == 1:
        key = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-pubkey"], input=der,
                             capture_output=True, check=True).stdout
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key,
                             capture_output=True, check=True).stdout
    digest = {1: hashlib.sha256, 2: hashlib.sha512}[matching](der).hexdigest()
    return f"{usage} {selector} {matching} {digest}"


def _openssl(*words):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(map(str, words))}: {done.stderr}")
