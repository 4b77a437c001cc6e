"""Name service for the hosts of a test: zones served by NSD, and unbound in front to resolve.

    zone = dnszone.Zone("example.net")
    zone.mx("@", 10, "mx")
    zone.address("mx", peer.v4, peer.v6)
    dns = dnszone.Nsd(lan.host("dns", software=["nsd"]), [zone]).start()
    lan.resolve_through(dns.host)
"""

import ipaddress

from . import dnsquery, service, wait


class Zone:
    """Records of one zone. A name is relative to the zone, "@" for the zone itself, or ends with a dot.

    ttl: seconds, for every record, also for the answer that there is none.
    """

    def __init__(self, name, ttl=1):
        self.name, self.ttl = name.rstrip("."), ttl
        self.records = []

    def add(self, name, kind, data):
        """Any record, in the words of a zone file: add("mx", "A", "192.0.2.1"). Returns the zone."""
        self.records.append((name, kind, data))
        return self

    def mx(self, name, preference, host):
        return self.add(name, "MX", f"{preference} {host}")

    def null_mx(self, name):
        """No mail for this name (RFC 7505)."""
        return self.add(name, "MX", "0 .")

    def address(self, name, *literals):
        """A for each v4 literal, AAAA for each v6 one."""
        for literal in literals:
            version = ipaddress.ip_address(literal).version
            self.add(name, "A" if version == 4 else "AAAA", literal)
        return self

    def cname(self, name, target):
        return self.add(name, "CNAME", target)

    def txt(self, name, text):
        """A TXT record, in strings of at most 255 octets."""
        octets = text.encode()
        parts = [octets[i:i + 255] for i in range(0, len(octets), 255)] or [b""]
        return self.add(name, "TXT", " ".join(f'"{_escaped(part)}"' for part in parts))

    def pointer(self, literal, host):
        """PTR of an address; the zone is to be of the reverse tree (reverse_zone())."""
        return self.add(ipaddress.ip_address(literal).reverse_pointer + ".", "PTR", host)

    def drop(self, name, kind=None):
        """Takes the records of a name (of one kind only) away again."""
        self.records = [record for record in self.records
                        if record[0] != name or kind not in (None, record[1])]
        return self

    def text(self, serial=1):
        """The zone as a zone file."""
        lines = [f"$ORIGIN {self.name}.", f"$TTL {self.ttl}",
                 f"@ SOA ns.{self.name}. host.{self.name}. {serial} 3600 600 86400 {self.ttl}",
                 "@ NS ns.dns-server.test."]
        lines += [f"{name} {kind} {data}" for name, kind, data in self.records]
        return "\n".join(lines) + "\n"


def reverse_zone(network="192.0.2.0/24"):
    """An empty zone of the reverse tree for the addresses of net.py, or another /24, or a v6 /64."""
    net = ipaddress.ip_network(network)
    labels = net.network_address.reverse_pointer.split(".")
    skip = 1 if net.version == 4 else 16
    return Zone(".".join(labels[skip:]))


def _escaped(octets):
    return "".join(f"\\{octet:03d}" if octet < 32 or octet > 126 or octet in b'"\\' else chr(octet)
                   for octet in octets)


class Nsd(service.Service):
    """NSD serving zones on every address of its host, port 53 unless told otherwise."""

    def __init__(self, host, zones, port=53):
        super().__init__(host, "nsd")
        self.zones, self.port, self._serial = list(zones), port, 0
        host.add_user("nsd", 31011, home="/var/lib/nsd")
        host.run(["sh", "-c", "mkdir -p /var/lib/nsd /run/nsd && chown nsd:nsd /var/lib/nsd /run/nsd"])

    def _write(self):
        self._serial += 1
        config = f"""server:
    username: nsd
    port: {self.port}
    ip-address: 0.0.0.0
    ip-address: ::0
    zonesdir: /etc/nsd
    database: ""
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
    zonelistfile: /var/lib/nsd/zone.list
    xfrdfile: /var/lib/nsd/xfrd.state
    pidfile: /run/nsd/nsd.pid
    refuse-any: yes
    verbosity: 1
    server-count: 1
remote-control:
    control-enable: no
"""
        for zone in self.zones:
            config += f'zone:\n    name: "{zone.name}"\n    zonefile: "{zone.name}.zone"\n'
            self.host.write(f"/etc/nsd/{zone.name}.zone", zone.text(self._serial))
        self.host.write("/etc/nsd/nsd.conf", config)

    def start(self):
        self._write()
        self.host.run(["nsd-checkconf", "/etc/nsd/nsd.conf"])
        for zone in self.zones:
            self.host.run(["nsd-checkzone", zone.name, f"/etc/nsd/{zone.name}.zone"])
        self.launch(["nsd", "-d", "-c", "/etc/nsd/nsd.conf"], self.port)
        self._settle(set())
        return self

    def reload(self):
        """Serves the zones as they are now. New zones need stop() and start()."""
        self._write()
        before = self._processes()
        self.host.run(["sh", "-c", "kill -HUP $(cat /run/nsd/nsd.pid)"])
        self._settle(before)

    def _processes(self):
        return {pid for pid, line in self.host.processes().items() if line.startswith("nsd ")}

    def _settle(self, before):
        """Waits until nobody answers from older zones: NSD stands in three processes, and while it
        reloads the old server and the new one read from the same socket."""
        def settled():
            now = self._processes()
            return len(now) == 3 and now != before and all(
                dnsquery.serial(self.host.v4, zone.name, self.port) == self._serial for zone in self.zones)
        wait.until(settled, what=lambda: f"serial {self._serial} of every zone\n{self.log()[-1000:]}")


class Unbound(service.Service):
    """unbound on its host's port 53, asking the name servers it is given and nobody else.

    servers: zone name ("." for the root) -> address literal, or address@port, of who serves it.
    anchor: text of a trust anchor (DS or DNSKEY records); without one nothing is validated.
    options: further lines of the server: clause.
    """

    def __init__(self, host, servers, anchor=None, options=""):
        super().__init__(host, "unbound")
        host.add_user("unbound", 31012)
        lines = ["server:", 'username: "unbound"', 'chroot: ""', 'directory: "/etc/unbound"',
                 'pidfile: "/run/unbound.pid"', "use-syslog: no", "interface: 0.0.0.0", "interface: ::0",
                 "access-control: 0.0.0.0/0 allow", "access-control: ::/0 allow", "do-daemonize: no",
                 "verbosity: 1", "num-threads: 1", "cache-max-negative-ttl: 1", "do-not-query-localhost: no",
                 'local-zone: "test." nodefault', "prefetch: no"]
        lines += [f'local-zone: "{zone.rstrip(".")}." nodefault' for zone in servers if zone != "."]
        if anchor is None:
            lines.append('module-config: "iterator"')
        else:
            host.write("/etc/unbound/anchor.key", anchor)
            lines += ['module-config: "validator iterator"', 'trust-anchor-file: "/etc/unbound/anchor.key"']
        lines += options.splitlines() + ["remote-control:", "control-enable: no"]
        for zone, server in servers.items():
            lines += ["stub-zone:", f'name: "{zone}"', f"stub-addr: {server}"]
        host.write("/etc/unbound/unbound.conf", "\n".join(lines) + "\n")

    def start(self):
        self.host.run(["unbound-checkconf", "/etc/unbound/unbound.conf"])
        return self.launch(["unbound", "-d", "-c", "/etc/unbound/unbound.conf"], 53)
