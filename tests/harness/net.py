"""Hosts on one network: each a network namespace with a file system view of its own.

    with net.Net() as lan:
        us = lan.host("us")
        peer = lan.host("peer", software=["postfix"])
        us.run(["ping", "-c1", peer.v4])

A host has an address of each family on one link (192.0.2.N and 2001:db8::N), its own /etc, /var, /run
and /tmp, and Debian's peers (peers.py) laid over /usr where it names them. Nothing it writes reaches
this machine's files. The test itself sits on the same link as 192.0.2.254 and 2001:db8::fe, so it
can talk to every host directly. Only to be used inside sandbox.enter().
"""

import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from . import peers, sandbox, wait

V4, V6 = "192.0.2.", "2001:db8::"
TEST_V4, TEST_V6 = V4 + "254", V6 + "fe"
BRIDGE = "link0"
_CLONE_NEWNET = 0x40000000

# root: the host's root folder; lower_usr, lower_etc: what lies below its own /usr and /etc. The
# machine's own /usr is at the bottom; the source tree is seen but cannot be written.
_MOUNT_ROOT = """set -e
place=$1 lower_usr=$2 lower_etc=$3 source=$4 build=$5
root=$place/root
mkdir -p "$place/usr" "$place/usr.work" "$place/etc" "$place/etc.work"
for part in usr etc proc dev run run/work run/bin tmp home root mnt var; do mkdir -p "$root/$part"; done
for part in bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$part" ]; then cp -P "/$part" "$root/$part"; fi
done
mount -t overlay -o "lowerdir=$lower_usr,upperdir=$place/usr,workdir=$place/usr.work" usr "$root/usr"
mount -t overlay -o "lowerdir=$lower_etc,upperdir=$place/etc,workdir=$place/etc.work" etc "$root/etc"
mount --bind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind /run/work "$root/run/work"
mount --bind /run/bin "$root/run/bin"
chmod 1777 "$root/tmp"
for tree in "$source" "$build"; do
    mkdir -p "$root$tree"
    mount --bind "$tree" "$root$tree"
    mount -o remount,bind,ro "$root$tree"
done
"""


def family(address):
    """The socket family of an address literal."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class CommandFailed(Exception):
    """A command on a host ended with a code that was not expected; the text has all it wrote."""


def _ip(*arguments):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise CommandFailed(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


class Net:
    """One link with its hosts. Close it, or use it in a with statement.

    label: the name that <build>/run/<script>/ shows for this network's folder of logs.
    """

    def __init__(self, label="net"):
        self.hosts = {}
        self.work = sandbox.new_folder(label)
        _ip("link", "add", BRIDGE, "type", "bridge", "mcast_snooping", "0")
        for setting in ("accept_dad", "autoconf"):
            pathlib.Path(f"/proc/sys/net/ipv6/conf/{BRIDGE}/{setting}").write_text("0")
        _ip("link", "set", BRIDGE, "up")
        _ip("addr", "add", f"{TEST_V4}/24", "dev", BRIDGE)
        _ip("addr", "add", f"{TEST_V6}/64", "dev", BRIDGE, "nodad")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def host(self, name, number=None, software=(), disk=False, more=()):
        """Adds a host.

        name: at most 11 letters, digits or hyphens, also its host name.
        number: 1 to 253, the last part of its addresses (hexadecimal in the v6 one); the next free one if None.
        software: peers (keys of peers.PACKAGES) it has unpacked.
        disk: whether its /var lies on the real disk instead of in memory.
        more: further addresses with prefix length, such as "192.0.2.77/24".
        """
        if number is None:
            used = {host.number for host in self.hosts.values()}
            number = next(n for n in range(1, 254) if n not in used)
        self.hosts[name] = Host(self, name, number, list(software), disk, list(more))
        return self.hosts[name]

    def resolve_through(self, dns_host):
        """Makes every host, present ones only, ask the name server on dns_host."""
        for host in self.hosts.values():
            host.resolver(dns_host.v4)

    def close(self):
        """Ends every process on every host and takes hosts and link down."""
        with contextlib.ExitStack() as ending:  # each of it, whatever happens to another
            ending.callback(_ip, "link", "del", BRIDGE)
            for host in self.hosts.values():
                ending.callback(host.close)
            self.hosts = {}

    def report(self, lines=40):
        """The end of every log of every host, as text, for a failed test."""
        parts = []
        for host in self.hosts.values():
            for path in sorted(host.work.glob("*.log")):
                tail = path.read_text(errors="replace").splitlines()[-lines:]
                parts.append(f"---- {host.name}: {path.name}\n" + "\n".join(tail))
        return "\n".join(parts)


class Host:
    """Made by Net.host. v4, v6: its addresses. work: its folder for logs, the same path inside and out."""

    def __init__(self, lan, name, number, software, disk, more):
        self.name, self.number = name, number
        self.v4, self.v6 = f"{V4}{number}", f"{V6}{number:x}"
        self.place = pathlib.Path("/run/hosts") / name
        self.root = self.place / "root"
        self.work = lan.work / name
        self.work.mkdir(exist_ok=True)
        self.work.chmod(0o755)
        self._started = []
        self._namespace = f"/run/netns/{name}"
        self._make_root(software, disk)
        self._make_link(more)

    def _make_root(self, software, disk):
        self.place.mkdir()
        trees = [peers.fetch(peer) for peer in software]
        lower = [":".join([*(str(tree / part) for tree in trees), f"/{part}"]) for part in ("usr", "etc")]
        if disk:
            (self.work / "var").mkdir()
            self.root.mkdir()
            (self.root / "var").symlink_to(self.work / "var")
        subprocess.run(["sh", "-c", _MOUNT_ROOT, "sh", str(self.place), *lower, str(sandbox.SOURCE),
                        str(sandbox.build_dir())], check=True)
        var = self.root / "var"
        if disk:
            var.unlink()
            var.mkdir()
            subprocess.run(["mount", "--bind", str(self.work / "var"), str(var)], check=True)
        for tree in trees:
            shutil.copytree(tree / "var", var, symlinks=True, dirs_exist_ok=True)
        for part in ("log", "spool", "lib", "mail", "tmp", "empty"):
            (var / part).mkdir(exist_ok=True)
        (var / "tmp").chmod(0o1777)
        if not (var / "run").is_symlink():
            (var / "run").symlink_to("/run")
        self.write("/etc/hostname", self.name + "\n")
        self.write("/etc/hosts", f"127.0.0.1 localhost\n::1 localhost\n{self.v4} {self.name}\n")
        self.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"
                                         "services: files\nprotocols: files\n")
        self.write("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")

    def _make_link(self, more):
        _ip("netns", "add", self.name)
        _ip("link", "add", f"v-{self.name}", "type", "veth", "peer", "name", "eth0", "netns", self.name)
        _ip("link", "set", f"v-{self.name}", "master", BRIDGE, "up")
        batch = "".join(f"addr add {address} dev eth0 {'nodad' if ':' in address else ''}\n"
                        for address in [f"{self.v4}/24", f"{self.v6}/64", *more])
        batch = "link set lo up\nlink set eth0 up\n" + batch
        done = subprocess.run(["ip", "-n", self.name, "-batch", "-"], input=batch, text=True,
                              capture_output=True)
        if done.returncode != 0:
            raise CommandFailed(f"addresses of {self.name}: {done.stderr.strip()}")

    # ---- files and people

    def path(self, inside):
        """Where the host's absolute path `inside` lies for the test."""
        return self.root / inside.lstrip("/")

    def write(self, inside, text, mode=0o644):
        """Writes a file of the host, replacing a symbolic link there, making folders on the way."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def resolver(self, *servers):
        """Sets the name servers of the host (address literals)."""
        lines = "".join(f"nameserver {server}\n" for server in servers)
        self.write("/etc/resolv.conf", lines + "options edns0 trust-ad timeout:2 attempts:2\n")

    def add_user(self, name, uid, home="/nonexistent", shell="/usr/sbin/nologin", groups=()):
        """Adds a user with a group of its own name and number; groups: further names, to exist already.

        A user or group of that name which the machine had goes away from this host's files."""
        self.add_group(name, uid)
        passwd = self.path("/etc/passwd")
        kept = [line for line in passwd.read_text().splitlines() if not line.startswith(f"{name}:")]
        kept.append(f"{name}:x:{uid}:{uid}::{home}:{shell}")
        passwd.write_text("\n".join(kept) + "\n")
        group_file = self.path("/etc/group")
        lines = group_file.read_text().splitlines()
        for i, line in enumerate(lines):
            if line.split(":")[0] in groups:
                lines[i] = line + ("" if line.endswith(":") else ",") + name
        group_file.write_text("\n".join(lines) + "\n")
        if home.startswith("/home/"):
            self.path(home).mkdir(parents=True, mode=0o700)
            os.chown(self.path(home), uid, uid)

    def add_group(self, name, gid):
        group = self.path("/etc/group")
        kept = [line for line in group.read_text().splitlines() if not line.startswith(f"{name}:")]
        group.write_text("\n".join([*kept, f"{name}:x:{gid}:"]) + "\n")

    # ---- commands

    def _command(self, command, user):
        enter = ["nsenter", f"--net={self._namespace}", f"--root={self.root}", "--wdns=/"]
        if user is not None:
            uid = self.uid(user)
            enter += [f"--setuid={uid}", f"--setgid={uid}"]
        return [*enter, "--", *map(str, command)]

    def uid(self, user):
        """The number of one of the host's users."""
        for line in self.path("/etc/passwd").read_text().splitlines():
            fields = line.split(":")
            if fields[0] == user:
                return int(fields[2])
        raise KeyError(f"no user {user} on {self.name}")

    def _environment(self, extra):
        base = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
        base.update({key: value for key, value in os.environ.items()
                     if key.endswith("SAN_OPTIONS") or key.startswith("QM_")})
        return {**base, **(extra or {})}

    def run(self, command, input=None, user=None, check=True, timeout=60, env=None):
        """Runs a command on the host to its end; returns subprocess.CompletedProcess with texts.

        input: text for its standard input. user: name of a host's user, root if None.
        check: whether an exit code other than 0 raises CommandFailed.
        """
        done = subprocess.run(self._command(command, user), input=input, text=True, timeout=timeout,
                              capture_output=True, env=self._environment(env), errors="replace",
                              stdin=subprocess.DEVNULL if input is None else None)
        if check and done.returncode != 0:
            raise CommandFailed(f"{self.name}: {' '.join(map(str, command))} ended with {done.returncode}\n"
                                f"{done.stdout}{done.stderr}")
        return done

    def start(self, command, name, user=None, env=None, **popen):
        """Starts a program that stays, its output appended to <work>/<name>.log. Returns the Popen.

        It is ended with the host at the latest. Further keywords go to subprocess.Popen."""
        with open(self.work / f"{name}.log", "ab") as log:
            options = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log,
                       "start_new_session": True, **popen}
            process = subprocess.Popen(self._command(command, user), env=self._environment(env), **options)
        self._started.append(process)
        return process

    def processes(self):
        """pid -> command line of all that runs on the host."""
        mine = os.stat(self._namespace).st_ino
        found = {}
        for pid, line in sandbox.processes().items():
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{pid}/ns/net").st_ino == mine:
                    found[pid] = line
        return found

    # ---- the network

    @contextlib.contextmanager
    def inside(self):
        """In the with statement, sockets that this thread makes are the host's."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as home, open(self._namespace) as there:
            _set_namespace(libc, there.fileno())
            try:
                yield self
            finally:
                _set_namespace(libc, home.fileno())

    def listens(self, port, address=None, timeout=15.0, alive=None):
        """Waits until a TCP port of the host takes connections.

        alive: the Popen of who is to listen; the wait ends with an error when that ends."""
        def look():
            if alive is not None and alive.poll() is not None:
                raise CommandFailed(f"{self.name}: the program that was to listen on port {port} "
                                    f"ended with {alive.returncode}\n{self._tail()}")
            return wait.port_open(address or self.v4, port)
        wait.until(look, timeout, lambda: f"port {port} of {self.name}\n{self._tail()}")

    def _tail(self):
        logs = sorted(self.work.glob("*.log"), key=lambda path: path.stat().st_mtime)
        return logs[-1].read_text(errors="replace")[-2000:] if logs else ""

    def unplug(self):
        """Cuts the host off; connections hang as behind a pulled cable."""
        _ip("link", "set", f"v-{self.name}", "down")

    def plug(self):
        _ip("link", "set", f"v-{self.name}", "up")

    def close(self):
        """Ends every process on the host, kindly and then not, and takes it down."""
        for number, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
            end = time.monotonic() + patience
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            while self.processes() and time.monotonic() < end:
                time.sleep(wait.STEP)
        for process in self._started:
            process.wait(timeout=5)
        # A socket that the test itself still holds keeps the namespace, and so the link's name, for a while.
        _ip("link", "del", f"v-{self.name}")
        _ip("netns", "del", self.name)
        subprocess.run(["umount", "-R", *self._mounts()], check=True)
        shutil.rmtree(self.place)

    def _mounts(self):
        """Mount points directly below the root, which is a plain folder."""
        points = [line.split()[4] for line in open("/proc/self/mountinfo")]
        prefix = str(self.root) + "/"
        mine = [point for point in points if point.startswith(prefix)]
        return sorted(point for point in mine
                      if not any(point != other and point.startswith(other + "/") for other in mine))


def _set_namespace(libc, descriptor):
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
