"""What a process writes to its files, recorded by strace, and what a power cut would leave of it.

    record = disklog.Recorder(host, pid, "/var/lib/qm/queue")   # attached; a copy of the folder is kept
    ...                                                         # the load
    record.stop()
    disk = disklog.Disk(record.before, record.events())
    for at in cuts: disk.cut(at, random_, folder)               # ascending

A write is durable when a sync of its file that began after it has ended, a name when its folder was synced likewise. What
is not durable is there, not there, or there in part, in sectors of 512 octets: the disk chooses.
"""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess

from . import wait

SECTOR = 512
SAY = ("write", "writev", "sendto", "sendmsg")
CALLS = ("lseek", "sendto", "sendmsg", "pwrite64", "pwritev", "write", "writev", "fdatasync", "fsync", "ftruncate", "openat", "unlinkat", "mkdirat",
         "renameat", "renameat2", "linkat", "fallocate", "copy_file_range", "sendfile")
_LINE = re.compile(rb"(?:\[pid +)?(\d+)\]? +(\d+\.\d+) (.*)")
_CALL = re.compile(rb"(\w+)\((.*)\) += (-?\d+)(.*)", re.DOTALL)
_FD = re.compile(rb"(-?\w+)<([\\x0-9a-f]*)>")
_STRING = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


def _octets(hexed):
    return bytes.fromhex(hexed.replace(b"\\x", b"").decode())


@dataclasses.dataclass
class Event:
    """One change. began, at: time.time() when the call began and ended. kind: write, cut, sync, create, remove; or said,
    of octets that went into a socket. path: below the folder. pid: who did it (a thread's number)."""

    began: float
    at: float
    kind: str
    path: str
    offset: int = 0
    data: bytes = b""
    synced: bool = False  # the write itself is one that waits for the disk (O_DSYNC)
    pid: int = 0


def is_traced(pid):
    """Whether a tracer is attached to every thread of the process."""
    return all(re.search(r"^TracerPid:\s+[1-9]", (task / "status").read_text(), re.M)
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir())


class Recorder:
    """strace on a running process that writes below `folder` (as the test sees it).

    also: others, of whom only what they say into sockets is of interest."""

    def __init__(self, work, pid, folder, also=()):
        self.folder, self.log, self.pid = pathlib.Path(folder), pathlib.Path(work) / "disk.strace", pid
        self.before = pathlib.Path(work) / "disk.before"
        shutil.rmtree(self.before, ignore_errors=True)
        self._also = list(also)
        self._open, self._places = dict(self._open_files()), {}
        self._strace = subprocess.Popen(
            ["strace", "-f", "-y", "-ttt", "-T", "-xx", "-s", "16000000", "-e", f"trace={','.join(CALLS)}", "-e", "signal=none",
             "-o", str(self.log), "-p", ",".join(map(str, [pid, *self._also]))], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wait.until(lambda: all(map(is_traced, [pid, *self._also])), 20, "strace attached to every thread")
        shutil.copytree(self.folder, self.before)

    def _open_files(self):
        """Descriptors that are open already: (number, whether writes to it wait for the disk)."""
        for fd in os.listdir(f"/proc/{self.pid}/fd"):
            text = pathlib.Path(f"/proc/{self.pid}/fdinfo/{fd}").read_text()
            flags = int(re.search(r"^flags:\s+(\d+)", text, re.M)[1], 8)
            yield int(fd), bool(flags & (os.O_DSYNC | os.O_SYNC))

    def stop(self):
        self._strace.terminate()
        self._strace.wait(60)
        self._strace.stderr.close()

    # ---- reading the log

    def events(self):
        """Every change below the folder, in the order in which the calls ended."""
        found, begun = [], {}
        with open(self.log, "rb") as log:
            for raw in log:
                match = _LINE.match(raw.rstrip(b"\n"))
                if not match:
                    continue
                pid, at, text = int(match[1]), float(match[2]), match[3]
                if text.endswith(b"<unfinished ...>"):
                    begun[pid] = at, text[:-len(b"<unfinished ...>")].rstrip()
                    continue
                began = at
                if text.startswith(b"<... "):
                    began, head = begun.pop(pid)
                    text = head + text[text.index(b"resumed>") + len(b"resumed>"):]
                for event in self._event(began, text):
                    event.pid = pid
                    found.append(event)
        return sorted(found, key=lambda event: event.at)

    def _below(self, path):
        """The path below the folder, or None."""
        text = re.sub("^/run/hosts/[^/]+/root(?=/)", "", path.decode(errors="surrogateescape"))
        below = os.path.relpath(text, self.folder) if text.startswith("/") else ".."
        return None if below.startswith("..") else "" if below == "." else below

    def _event(self, began, text):
        call = _CALL.match(text)
        if not call or int(call[3]) < 0:
            return
        name, arguments, result = call[1].decode(), call[2], int(call[3])
        took = re.search(rb"<(\d+\.\d+)>$", call[4])
        ended = began + (float(took[1]) if took else 0)
        fd = _FD.match(arguments)
        if name == "openat":
            yield from self._opened(began, ended, arguments, result, call[4])
            return
        path = self._below(_octets(fd[2])) if fd else None
        if path is None:
            if name in SAY and fd and _octets(fd[2]).startswith((b"socket:", b"TCP")):
                yield Event(began, ended, "said", "", data=b"".join(_octets(one[1]) for one in _STRING.finditer(arguments)))
            return
        number = int(fd[1]) if fd[1].isdigit() else -1
        if name in ("pwrite64", "pwritev"):
            data = b"".join(_octets(one[1]) for one in _STRING.finditer(arguments))[:result]
            yield Event(began, ended, "write", path, int(arguments.rsplit(b",", 1)[1]), data, self._open.get(number, False))
        elif name in ("write", "writev"):
            data = b"".join(_octets(one[1]) for one in _STRING.finditer(arguments))[:result]
            yield Event(began, ended, "write", path, self._places[number], data, self._open.get(number, False))
            self._places[number] += result
        elif name == "lseek":
            self._places[number] = result
        elif name in ("fdatasync", "fsync"):
            yield Event(began, ended, "sync", path)
        elif name == "ftruncate":
            yield Event(began, ended, "cut", path, int(arguments.rsplit(b",", 1)[1]))
        elif name == "unlinkat":
            yield Event(began, ended, "remove", f"{path}/{_octets(_STRING.search(arguments)[1]).decode()}".lstrip("/"))
        else:
            raise AssertionError(f"disklog does not know what {name} leaves behind: {text[:200]!r}")

    def _opened(self, began, ended, arguments, result, tail):
        self._open[result], self._places[result] = b"O_DSYNC" in arguments or b"O_SYNC" in arguments, 0
        path = re.match(rb"<((?:\\x[0-9a-f]{2})+)>", tail)
        below = self._below(_octets(path[1])) if path else None
        if below is not None and b"O_CREAT" in arguments:
            yield Event(began, ended, "create", below)


class _File:
    def __init__(self, octets, named):
        self.durable, self.pending, self.named = bytearray(octets), [], named


def _put(octets, offset, data):
    if len(octets) < offset:
        octets.extend(bytes(offset - len(octets)))
    octets[offset:offset + len(data)] = data


class Disk:
    """A disk that the events are played to, and what it holds when the power goes."""

    def __init__(self, before, events):
        self.events, self.next = events, 0
        self.files, self.folders = {}, []
        for path in sorted(pathlib.Path(before).rglob("*")):
            below = str(path.relative_to(before))
            if path.is_dir():
                self.folders.append(below)
            elif path.is_file():
                self.files[below] = _File(path.read_bytes(), True)
        self.removed = {}  # path -> file, while its folder has not been synced

    def cut(self, n, random_, folder):
        """Plays the events up to number n, and writes what a cut then might leave into `folder`, which is made."""
        while self.next < n:
            self._play(self.events[self.next])
            self.next += 1
        folder = pathlib.Path(folder)
        folder.mkdir()
        for below in self.folders:
            (folder / below).mkdir(exist_ok=True)
        choice = random_.choice(("nothing", "all", "writes", "sectors"))
        def happened():
            """Whether a change of names that no sync covers is on the disk."""
            return choice == "all" or choice != "nothing" and random_.random() < 0.5

        left = [(path, file) for path, file in self.files.items() if file.named or happened()]
        left += [(path, file) for path, file in self.removed.items() if not happened()]
        for path, file in left:
            (folder / path).write_bytes(self._left(file, choice, random_))
        return choice

    def _left(self, file, choice, random_):
        octets = bytearray(file.durable)
        for offset, data, _ in file.pending:
            if data is None:
                if choice == "all" or choice != "nothing" and random_.random() < 0.5:
                    octets[offset:] = bytes(max(0, offset - len(octets)))
            elif choice == "all" or choice == "writes" and random_.random() < 0.5:
                _put(octets, offset, data)
            elif choice == "sectors":
                for at in range(0, len(data), SECTOR):
                    if random_.random() < 0.5:
                        _put(octets, offset + at, data[at:at + SECTOR])
        return octets

    def _play(self, event):
        getattr(self, f"_{event.kind}")(event)

    def _said(self, event):
        pass

    def _create(self, event):
        self.files.setdefault(event.path, _File(b"", False))

    def _remove(self, event):
        file = self.files.pop(event.path, None)
        if file is not None and file.named:
            self.removed[event.path] = file

    def _write(self, event):
        file = self.files[event.path]
        if event.synced:  # it waits for itself, not for what was written before
            self._settle(file, [(event.offset, event.data, event.at)])
        else:
            file.pending.append((event.offset, event.data, event.at))

    def _cut(self, event):
        file = self.files[event.path]
        file.pending.append((event.offset, None, event.at))

    def _settle(self, file, writes):
        for offset, data, _ in writes:
            if data is None:
                file.durable[offset:] = bytes(max(0, offset - len(file.durable)))
            else:
                _put(file.durable, offset, data)

    def _sync(self, event):
        """Of a file: its writes that ended before the sync began. Of a folder: its names."""
        if event.path in self.files:
            file = self.files[event.path]
            self._settle(file, [one for one in file.pending if one[2] <= event.began])
            file.pending = [one for one in file.pending if one[2] > event.began]
            return
        for path, file in self.files.items():
            if os.path.dirname(path) == event.path:
                file.named = True
        self.removed = {path: file for path, file in self.removed.items() if os.path.dirname(path) != event.path}
