"""Other mail software as Debian ships it, fetched and unpacked beside the build, never installed.

fetch(name) leaves the files of one peer, and of those libraries it needs that this machine lacks, in
build/peers/<name>/root, laid out like the file system's root. net.Host lays such trees over its own
/usr and /etc. What was fetched once is used from there, without the network, until it is deleted.

    python3 tests/harness/peers.py fetch [NAME...]      all of them without a name
    python3 tests/harness/peers.py list
"""

import fcntl
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.parse

SOURCE = pathlib.Path(__file__).resolve().parents[2]

PACKAGES = {
    "postfix": ["postfix"],
    "nsd": ["nsd"],
    "unbound": ["unbound"],
    "exim": ["exim4-daemon-heavy"],
    "cyrus-sasl": ["libsasl2-modules", "libsasl2-modules-db", "sasl2-bin"],
    "dovecot": ["dovecot-core", "dovecot-imapd"],
    "opensmtpd": ["opensmtpd"],
    "sendmail": ["sendmail-bin"],
    "lmtpd": ["dovecot-lmtpd"],
    "dante": ["dante-server"],
    "callers": ["cron", "s-nail"],
    "nginx": ["nginx-light"],
    "sts-resolver": ["postfix-mta-sts-resolver"],
}

_APT = ["-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=true"]


class PeerError(Exception):
    """A peer cannot be had; the text says what was tried."""


def folder():
    """Where peers are kept: $QM_PEERS_DIR, or build/peers in the source tree, shared by all builds."""
    return pathlib.Path(os.environ.get("QM_PEERS_DIR", SOURCE / "build" / "peers"))


def fetch(name):
    """Makes sure that the peer `name` (a key of PACKAGES) is unpacked; returns its root folder.

    Safe to call from several processes at once. Raises PeerError.
    """
    if name not in PACKAGES:
        raise PeerError(f"no peer of that name: {name}; there are {', '.join(PACKAGES)}")
    place = folder() / name
    if (place / "manifest.json").exists():
        return place / "root"
    folder().mkdir(parents=True, exist_ok=True)
    with open(folder() / f".{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "manifest.json").exists():
            shutil.rmtree(place, ignore_errors=True)
            _fetch_anew(name, place)
    return place / "root"


def _fetch_anew(name, place):
    debs = place / "debs"
    debs.mkdir(parents=True)
    try:
        _download(PACKAGES[name], debs)
    except PeerError:
        _refresh_lists()
        _download(PACKAGES[name], debs)
    archives = sorted(debs.glob("*.deb"))
    for archive in archives:
        _unpack(archive, place / "root")
    names = [urllib.parse.unquote(archive.name) for archive in archives]
    shutil.rmtree(debs)
    written = place / "manifest.part"
    written.write_text(json.dumps({"peer": name, "archives": names}, indent=2) + "\n")
    written.rename(place / "manifest.json")


def _run(command, cwd=None):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True,
                          env={**os.environ, "LC_ALL": "C"})
    if done.returncode != 0:
        raise PeerError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _download(packages, debs):
    """The packages themselves, and what an install here would bring along with them."""
    plan = _run(["apt-get", "install", "--simulate", "-y", "--no-install-recommends", *_APT, *packages])
    wanted = {name: name for name in packages}
    for name, version in re.findall(r"^Inst (\S+) (?:\[[^]]*\] )?\((\S+) ", plan, re.MULTILINE):
        wanted[name] = f"{name}={version}"
    _run(["apt-get", "download", "-qq", *_APT, *sorted(wanted.values())], cwd=debs)


def _refresh_lists():
    if os.geteuid() == 0:
        _run(["apt-get", "update", "-qq"])


def _unpack(archive, root):
    """Unpacks over a merged /usr, so that a package that still ships /lib or /sbin lands in /usr."""
    for part in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / part).mkdir(parents=True, exist_ok=True)
        if not (root / part).is_symlink():
            (root / part).symlink_to(f"usr/{part}")
    for part in ("etc", "var"):
        (root / part).mkdir(exist_ok=True)
    tar = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE)
    keep = subprocess.run(["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(root)],
                          stdin=tar.stdout, capture_output=True, text=True)
    tar.stdout.close()
    if tar.wait() != 0 or keep.returncode != 0:
        raise PeerError(f"cannot unpack {archive.name}: {keep.stderr.strip()}")


def main(arguments):
    if arguments[:1] == ["list"]:
        for name in PACKAGES:
            manifest = folder() / name / "manifest.json"
            have = json.loads(manifest.read_text())["archives"] if manifest.exists() else ["not fetched"]
            print(f"{name}: {', '.join(have)}")
        return 0
    if arguments[:1] != ["fetch"]:
        print(__doc__)
        return 64
    for name in arguments[1:] or PACKAGES:
        try:
            print(f"{name}: {fetch(name)}")
        except PeerError as error:
            print(f"cannot fetch {name}: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
