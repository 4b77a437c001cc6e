"""A place of its own for one test script: mount, network and process namespaces.

enter(name) runs the calling script again inside three new namespaces. There

  - /run is an empty tmpfs, so the names of network namespaces and of everything else the test makes
    are seen by this test alone and two tests can use the same ones at the same time;
  - /run/work is <build>/run/<name>, a folder on the real disk, emptied at the start and kept
    afterwards, where every log and state folder of the test lies;
  - /run/bin shows <build>/bin, so that users who cannot reach the checkout can run what is in it;
  - the script's process has a small process 1 above it, which collects orphans.

Process 1 dies with whoever started it, and the kernel then ends every process inside and drops every
mount, interface and namespace. So nothing is left behind however the test ends, SIGKILL included, and
there is nothing to clean from an earlier run.
"""

import atexit
import functools
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import tempfile

SKIPPED = 77  # ctest's SKIP_RETURN_CODE
WORK = pathlib.Path("/run/work")
SOURCE = pathlib.Path(__file__).resolve().parents[2]
_MARK = "QM_SANDBOX"
_inside = False
_NAMESPACES = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
               "--propagation", "private"]


def build_dir():
    """The build folder under test: $QM_BUILD_DIR, or build/ in the source tree."""
    return pathlib.Path(os.environ.get("QM_BUILD_DIR", SOURCE / "build")).resolve()


def is_sanitized():
    """Whether the build under test is one with sanitizers, which keep freed memory for a while."""
    cache = build_dir() / "CMakeCache.txt"
    return cache.exists() and "QM_SANITIZE:BOOL=ON" in cache.read_text()


def inside():
    """Whether enter() has returned in this process."""
    return _inside


def bin_dir(for_others=False):
    """Where the suite's programs are. for_others: where other users can run them too; when they cannot reach
    the checkout, such as one in root's home, that is a copy, which goes when the script ends."""
    place = pathlib.Path("/run/bin") if _inside else build_dir() / "bin"
    if for_others and any(not one.stat().st_mode & stat.S_IXOTH for one in [place, *place.parents]):
        return _copy_of(place)
    return place


@functools.cache
def _copy_of(place):
    folder = tempfile.TemporaryDirectory(prefix="qm-bin-")
    atexit.register(folder.cleanup)
    os.chmod(folder.name, 0o755)
    return pathlib.Path(shutil.copytree(place, pathlib.Path(folder.name) / "bin", symlinks=True))


def cannot_run(why):
    """Ends the process: as a failure, or as skipped where $QM_ALLOW_NO_ROOT is 1."""
    if os.environ.get("QM_ALLOW_NO_ROOT") == "1":
        print(f"skipped: cannot run: {why}", flush=True)
        sys.exit(SKIPPED)
    print(f"cannot run: {why}\n"
          "  Run the tests as root, or set QM_ALLOW_NO_ROOT=1 to have such tests skipped.", flush=True)
    sys.exit(1)


def _why_not():
    """Why the namespaces cannot be made here, or None."""
    if os.geteuid() != 0:
        return "needs root (network and mount namespaces)"
    if not shutil.which("ip"):
        return "needs the ip command (package iproute2)"
    probe = subprocess.run(["unshare", *_NAMESPACES, "true"], capture_output=True, text=True)
    if probe.returncode != 0:
        return f"needs root with namespaces: {probe.stderr.strip()}"
    return None


def enter(name):
    """Returns inside the sandbox. name: the test's name, used for its folder in <build>/run.

    To be called once, first thing, before threads or children exist.
    """
    if os.environ.pop(_MARK, None) is None:
        why = _why_not()
        if why:
            cannot_run(why)
        os.environ[_MARK] = "inside"
        os.execvp("unshare", ["unshare", *_NAMESPACES, sys.executable, *sys.orig_argv[1:]])
    global _inside
    _become_second_process()
    _inside = True
    _mount_places(build_dir() / "run" / name)


def _become_second_process():
    """Goes on in a child; the parent, process 1, reaps until the child ends and ends likewise."""
    child = os.fork()
    if child == 0:
        return
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, lambda number, frame: os.kill(child, number))
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _mount_places(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    script = """set -e
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/netns /run/hosts /run/work /run/bin
mount --bind "$1" /run/work
if [ -d "$2" ]; then mount --bind "$2" /run/bin; fi
mount -t tmpfs -o mode=1777 shm /dev/shm
ip link set lo up
"""
    subprocess.run(["sh", "-c", script, "sh", str(folder), str(build_dir() / "bin")], check=True)


def processes():
    """pid -> command line of every live process in the sandbox but process 1 and the caller."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in (1, os.getpid()):
            continue
        try:
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended while we looked
        if state not in "ZX":
            found[int(entry.name)] = line.strip() or f"process {entry.name}"
    return found


def new_folder(label):
    """An empty folder in WORK whose name is a number, a short path as sockets need it; a link there says which
    label (such as a test's name) it belongs to."""
    number = 1 + sum(1 for entry in WORK.iterdir() if entry.name.isdigit())
    folder = WORK / str(number)
    folder.mkdir()
    (WORK / label).unlink(missing_ok=True)
    (WORK / label).symlink_to(str(number))
    return folder
