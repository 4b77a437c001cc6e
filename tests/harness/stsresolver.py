"""Debian's postfix-mta-sts-resolver: what Postfix would be told of a domain's MTA-STS policy.

    oracle = stsresolver.Resolver(lan.host("oracle", software=["sts-resolver"]), ca.root.read_text()).start()
    oracle.ask("example.test")          # ("enforce", ["mx.example.test"]), or ("testing", [...]), or None
"""

import socket

from . import service

PORT = 8461


class Resolver(service.Service):
    """authorities: PEM of those it trusts. timeout: seconds for a record, and again for a policy."""

    def __init__(self, host, authorities, timeout=4):
        super().__init__(host, "mta-sts-daemon")
        host.write("/etc/authorities.pem", authorities)
        host.write("/etc/mta-sts-daemon.yml", f"""host: 0.0.0.0
port: {PORT}
cache_grace: 0
shutdown_timeout: 1
cache: {{ type: internal }}
zones:
  lax: {{ strict_testing: false, timeout: {timeout} }}
  strict: {{ strict_testing: true, timeout: {timeout} }}
""")

    def start(self):
        return self.launch(["mta-sts-daemon", "-c", "/etc/mta-sts-daemon.yml", "--disable-uvloop"], PORT,
                           env={"SSL_CERT_FILE": "/etc/authorities.pem"})

    def ask(self, domain, timeout=30):
        """(mode, patterns in order of the alphabet), or None where there is no policy or it is of mode none."""
        strict, lax = self._patterns("strict", domain, timeout), self._patterns("lax", domain, timeout)
        return strict and ("enforce" if lax else "testing", strict)

    def _patterns(self, zone, domain, timeout):
        """From its answer in the socketmap protocol, netstrings: OK secure match=mx.example.test:.example.test ..."""
        question = f"{zone} {domain}".encode()
        with socket.create_connection((self.host.v4, PORT), timeout=timeout) as sock:
            sock.sendall(b"%d:%s," % (len(question), question))
            answer = b""
            while not answer.endswith(b","):
                more = sock.recv(65536)
                if not more:
                    raise ConnectionError(f"no answer about {domain}")
                answer += more
        words = answer.decode().split(":", 1)[1].removesuffix(",").split()
        if words[0] == "NOTFOUND":
            return None
        assert words[:2] == ["OK", "secure"], answer
        found = words[2].removeprefix("match=").split(":")
        return sorted("*" + one if one.startswith(".") else one for one in found)
