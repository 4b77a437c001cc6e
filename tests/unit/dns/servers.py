"""Name servers for the tests: NSD and unbound of Debian, on high loopback ports, in a temporary folder, started and
stopped here. The services of the system, if there are any, are not touched."""

import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from harness import peers  # noqa: E402

os.environ["PATH"] += ":/usr/sbin:/sbin"


def free_port():
    """A loopback port that is free for UDP and TCP now."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, \
             socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def find_peers():
    """Name servers that this machine does not have are unpacked beside the build, not installed."""
    for name in ("nsd", "unbound"):
        if shutil.which(name) is None:
            root = peers.fetch(name)
            os.environ["PATH"] += f":{root}/usr/sbin"
            folders = [str(root / "usr/lib" / one) for one in ("", "x86_64-linux-gnu", "aarch64-linux-gnu")]
            os.environ["LD_LIBRARY_PATH"] = ":".join([*folders, os.environ.get("LD_LIBRARY_PATH", "")]).rstrip(":")


def need(*programs):
    find_peers()
    missing = [p for p in programs if shutil.which(p) is None]
    if missing:
        sys.exit("missing: %s (packages nsd, unbound, ldnsutils)" % ", ".join(missing))


def encode_name(name):
    return b"".join(bytes([len(l)]) + l.encode() for l in name.rstrip(".").split(".") if l) + b"\0"


def answers(port, name, seconds=20):
    """Waits until a server on the port gives any answer at all."""
    query = struct.pack(">6H", 4711, 0x0100, 1, 0, 0, 0) + encode_name(name) + struct.pack(">2H", 6, 1)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            s.connect(("127.0.0.1", port))
            try:
                s.send(query)
                if s.recv(4096)[:2] == query[:2]:
                    return
            except ConnectionRefusedError:
                time.sleep(0.02)  # a pace for asking again; the answer is the condition
            except socket.timeout:
                pass
    raise RuntimeError("no answer on port %d" % port)


class Servers:
    """NSD for some zones and unbound in front of it, until stop()."""

    def __init__(self, zones, signed=(), expired=(), refused=()):
        need("nsd", "unbound", "ldns-keygen", "ldns-signzone")
        self.dir = tempfile.mkdtemp(prefix="qm-dns-")
        self.processes = []
        self.anchors = []
        self.nsd_port = free_port()
        self.port = free_port()
        try:
            for zone, text in zones.items():
                self._write(zone + ".zone", text)
            for zone in signed:
                self._sign(zone, [])
            for zone in expired:
                self._sign(zone, ["-i", "20190101000000", "-e", "20200101000000"])
            self._start_nsd(zones)
            self._start_unbound(zones, refused)
            answers(self.nsd_port, next(iter(zones)))
            answers(self.port, next(iter(zones)))
        except BaseException:
            self.stop()
            raise

    def path(self, name):
        return os.path.join(self.dir, name)

    def _write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)

    def _sign(self, zone, options):
        key = subprocess.run(["ldns-keygen", "-r", "/dev/urandom", "-a", "ECDSAP256SHA256", "-k", zone], cwd=self.dir, check=True,
                             capture_output=True, text=True).stdout.strip()
        plain = zone + ".zone"
        subprocess.run(["ldns-signzone", *options, "-f", plain + ".signed", plain, key], cwd=self.dir, check=True)
        os.replace(self.path(plain + ".signed"), self.path(plain))
        self.anchors.append(key + ".key")

    def tamper(self, zone, old, new):
        """Changes a signed zone behind its signatures' back."""
        with open(self.path(zone + ".zone")) as f:
            text = f.read()
        assert old in text, old
        self._write(zone + ".zone", text.replace(old, new))

    def _start(self, *command):
        log = open(self.path(os.path.basename(command[0]) + ".out"), "w")
        self.processes.append(subprocess.Popen(command, cwd=self.dir, stdout=log, stderr=log))
        log.close()

    def _start_nsd(self, zones):
        self._write("nsd.conf", """
server:
    ip-address: 127.0.0.1@%d
    username: ""
    zonesdir: "%s"
    database: ""
    pidfile: "%s/nsd.pid"
    xfrdfile: "%s/xfrd.state"
    zonelistfile: "%s/zone.list"
    xfrdir: "%s"
    logfile: "%s/nsd.log"
    server-count: 1
    minimal-responses: yes
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
remote-control:
    control-enable: no
""" % ((self.nsd_port,) + (self.dir,) * 6) + "".join(
            'zone:\n    name: "%s"\n    zonefile: "%s.zone"\n' % (z, z) for z in zones))
        self._start("nsd", "-d", "-c", self.path("nsd.conf"))

    def _start_unbound(self, zones, refused):
        served = 'stub-zone:\n    name: "%s"\n    stub-addr: 127.0.0.1@%d\n'
        self._write("unbound.conf", """
server:
    interface: 127.0.0.1@%d
    directory: "%s"
    chroot: ""
    username: ""
    pidfile: ""
    logfile: "%s/unbound.log"
    use-syslog: no
    do-daemonize: no
    do-not-query-localhost: no
    do-ip6: no
    num-threads: 1
    outgoing-range: 512
    num-queries-per-thread: 256
    module-config: "validator iterator"
    qname-minimisation: no
    ede: yes
    val-log-level: 1
    access-control: 127.0.0.0/8 allow
    local-zone: "test." nodefault
    local-zone: "2.0.192.in-addr.arpa." nodefault
""" % (self.port, self.dir, self.dir)
                    + "".join('    trust-anchor-file: "%s"\n' % a for a in self.anchors)
                    + "remote-control:\n    control-enable: no\n"
                    + "".join(served % (z, self.nsd_port) for z in zones)
                    + "".join(served % (z, self.nsd_port) for z in refused))
        self._start("unbound", "-d", "-c", self.path("unbound.conf"))

    def stop(self):
        for p in self.processes:
            p.terminate()
        for p in self.processes:
            p.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Lookups:
    """The test program: one run with some arguments, its lines as objects, the last one apart."""

    def __init__(self, program):
        self.program = program

    def run(self, *arguments, timeout=60):
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, timeout=timeout)
        if done.returncode != 0:
            raise RuntimeError("%s: status %d\n%s" % (arguments, done.returncode, done.stderr.decode(errors="replace")))
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return lines[:-1], lines[-1]

    def one(self, *arguments, **options):
        lines, _ = self.run(*arguments, **options)
        assert len(lines) == 1, lines
        return lines[0]


class Checks:
    """Runs functions whose names begin with "check_", and says which failed."""

    def __init__(self, module):
        self.checks = [(n, f) for n, f in vars(module).items() if n.startswith("check_") and callable(f)]

    def run(self, *arguments):
        failed = 0
        for name, check in self.checks:
            try:
                began = time.monotonic()
                check(*arguments)
                print("ok     %s (%.1f s)" % (name, time.monotonic() - began), flush=True)
            except Exception as e:  # every failure is told, then the next check runs
                failed += 1
                print("FAILED", name, "-", type(e).__name__, e)
                import traceback
                traceback.print_exc(file=sys.stdout)
        print("%d passed, %d failed" % (len(self.checks) - failed, failed))
        return 1 if failed else 0


def expect(got, **wanted):
    """Every field named has the value given."""
    for key, value in wanted.items():
        if got.get(key) != value:
            raise AssertionError("%s is %r, not %r, in %s" % (key, got.get(key), value, got))
