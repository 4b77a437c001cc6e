"""Facts about the machine, and what processes use of it."""

import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import time

from harness import peers, sandbox

TICK = os.sysconf("SC_CLK_TCK")


def _fields(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_seconds(pids):
    """Processor seconds that these used, with those of their children that ended."""
    total = 0
    for pid in pids:
        try:
            total += sum(int(number) for number in _fields(pid)[11:15])
        except OSError:
            pass  # ended since; whoever waits for it has its time
    return total / TICK


def _mapped_kib(pid):
    """What a process has mapped (PSS), but for the pages of a database, which the kernel keeps as it keeps those of files."""
    total, counts = 0, True
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            counts = not line.endswith("data.mdb")
        elif line.startswith("Pss:") and counts:
            total += int(line.split()[1])
    return total


def _memory_files(pid):
    """(inode, KiB) of files in memory that a process has open."""
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        if os.readlink(fd).startswith("/memfd:"):
            facts = os.stat(fd)
            yield facts.st_ino, facts.st_blocks / 2


def memory_mib(pids):
    """What these have in memory: mapped, pages that several share counted in parts, and in memory files, each once."""
    mapped, files = 0, {}
    for pid in pids:
        try:
            mapped += _mapped_kib(pid)
            files.update(_memory_files(pid))
        except OSError:
            pass
    return (mapped + sum(files.values())) / 1024


def sync_ms(folder):
    """Median milliseconds that the disk takes to keep 4 KiB."""
    path, times = pathlib.Path(folder) / "sync", []
    with open(path, "wb", buffering=0) as file:
        for _ in range(50):
            file.write(os.urandom(4096))
            began = time.monotonic()
            os.fsync(file.fileno())
            times.append(time.monotonic() - began)
    path.unlink()
    return statistics.median(times) * 1000


def file_system(folder):
    """The type of the file system that a folder is on."""
    number = os.stat(folder).st_dev
    wanted = f"{os.major(number)}:{os.minor(number)}"
    for line in open("/proc/self/mountinfo"):
        fields = line.split()
        if fields[2] == wanted:
            return fields[fields.index("-") + 1]
    return "unknown"


def version():
    """Of this tree: its commit, and whether it was changed since."""
    done = subprocess.run(["git", "-c", f"safe.directory={sandbox.SOURCE}", "-C", sandbox.SOURCE, "describe", "--always",
                           "--dirty=, changed since"], capture_output=True, text=True)
    return f"commit {done.stdout.strip()}" if done.returncode == 0 else "of no known commit"


def peer_version(name):
    """Of a peer's package, as Debian calls it."""
    archives = json.loads((peers.folder() / name / "manifest.json").read_text())["archives"]
    return next(archive.split("_")[1] for archive in archives if archive.startswith(f"{name}_"))


def drop_caches():
    """Has the kernel forget what it keeps of the disk, for every process of the machine. Returns whether it could."""
    os.sync()
    try:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


def facts(folder, peer=None):
    """What was measured, a peer beside it perhaps, and one line on the machine and the disk that `folder` is on."""
    model = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo").read())
    memory = int(re.search(r"MemTotal:\s+(\d+)", open("/proc/meminfo").read())[1]) / 1048576
    beside = f" beside {peer.capitalize()} {peer_version(peer)}" if peer else ""
    return (f"Quartermaster ({version()}){beside}.\n"
            f"{os.cpu_count()} CPUs ({model[1] if model else platform.machine()}), {memory:.0f} GiB, Linux "
            f"{platform.release()}, queues on {file_system(folder)} where an fsync of 4 KiB takes "
            f"{sync_ms(folder):.1f} ms, load {os.getloadavg()[0]:.1f} before.")
