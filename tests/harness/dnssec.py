"""A signed tree of zones: "test" at its top, which a resolver trusts, and the zones below it.

    tree = dnssec.Tree(lan.work / "zones")
    zone = tree.zone("example.test").mx("@", 10, "mx").address("mx", peer.v4)
    zone.add("_25._tcp.mx", "TLSA", certs.tlsa(cert))
    plain = tree.zone("plain.test", signed=False)          # its parent proves that it is not signed
    zone.spoil("_25._tcp.mx", "TLSA")                      # the signature over these records is missing
    tree.start(lan.host("dns", software=["nsd"]), lan.host("res", software=["unbound"]))

The resolver's word counts where its host is asked over loopback, or with trust-ad, as net.Host.resolver has it.
"""

import pathlib
import subprocess

from . import dnszone

_ALGORITHM = "ECDSAP256SHA256"


class SignedZone(dnszone.Zone):
    """A zone with keys of its own. ds: its DS record for the parent."""

    def __init__(self, name, folder, ttl=1):
        super().__init__(name, ttl)
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._spoiled, self._dates = set(), []
        self._keys = [self._make_key("-k"), self._make_key()]
        self.ds = next(self.folder.glob("*.ds")).read_text().split("DS", 1)[1].strip()

    def _make_key(self, *options):
        return _run(["ldns-keygen", "-a", _ALGORITHM, *options, self.name], self.folder).strip()

    def spoil(self, name, kind):
        """From the next start or reload on these records have no signature: whoever validates fails."""
        self._spoiled.add((self._whole(name), kind))
        return self

    def expire(self):
        """From the next start or reload on every signature of the zone is over since long."""
        self._dates = ["-i", "20200101000000", "-e", "20200201000000"]
        return self

    def _whole(self, name):
        return f"{self.name}." if name == "@" else name if name.endswith(".") else f"{name}.{self.name}."

    def text(self, serial=1):
        plain, signed = self.folder / "zone", self.folder / "zone.signed"
        plain.write_text(super().text(serial))
        _run(["ldns-signzone", *self._dates, "-o", self.name, "-f", signed, plain, *self._keys], self.folder)
        return "".join(line + "\n" for line in signed.read_text().splitlines() if not self._is_spoiled(line))

    def _is_spoiled(self, line):
        words = line.split()
        return len(words) > 4 and words[3] == "RRSIG" and (words[0], words[4]) in self._spoiled


class Tree:
    """top: the zone that is trusted. folder: for keys and zone files."""

    def __init__(self, folder, top="test"):
        self.folder = pathlib.Path(folder)
        self.top = SignedZone(top, self.folder / top)
        self.zones, self.nsd, self.resolver = [], None, None

    def zone(self, name, signed=True):
        """A zone right below the top one."""
        made = SignedZone(name, self.folder / name) if signed else dnszone.Zone(name)
        label = name.removesuffix("." + self.top.name)
        self.top.add(label, "NS", "ns.dns-server.test.")
        if signed:
            self.top.add(label, "DS", made.ds)
        self.zones.append(made)
        return made

    def start(self, dns_host, resolver_host):
        """NSD on the one host, unbound that validates on the other."""
        self.nsd = dnszone.Nsd(dns_host, [self.top, *self.zones]).start()
        servers = {zone.name: dns_host.v4 for zone in (self.top, *self.zones)}
        self.resolver = dnszone.Unbound(resolver_host, servers, anchor=f"{self.top.name}. IN DS {self.top.ds}\n")
        self.resolver.start()
        return self


def _run(command, folder):
    done = subprocess.run([str(word) for word in command], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr}{done.stdout}")
    return done.stdout
