"""What processes write to their files, recorded by strace, and what a power cut would leave of it.

    record = disklog.Recorder(work, folder, [pid])   # attached to what runs; a copy of the folder is kept
    record = disklog.Recorder(work, folder)          # or to what [*record.words(), program, ...] will start
    ...                                              # the load
    record.stop()
    disk = disklog.Disk(record.before, record.events())
    for at in cuts: left = disk.cut(at, random_)     # ascending

A write is durable when a sync of its file that began after it has ended, a name when its folder was synced likewise. What
is not durable is there, not there, or there in part, in sectors of 512 octets: the disk chooses.
"""

import dataclasses
import mmap
import os
import pathlib
import re
import shutil
import subprocess

from . import wait

SECTOR = 512
SAY = ("write", "writev", "sendto", "sendmsg")
SAID_MAX = 512  # octets that are kept of what goes into a socket
CALLS = ("lseek", "pwrite64", "pwritev", "write", "writev", "fdatasync", "fsync", "ftruncate", "openat", "unlinkat", "mkdirat",
         "renameat", "renameat2", "linkat", "symlinkat", "fallocate", "copy_file_range", "sendfile")
NAMES = {"unlinkat": "remove", "mkdirat": "folder", "renameat": "rename", "renameat2": "rename", "linkat": None, "symlinkat": None}
_LINE = re.compile(rb"(?:\[pid +)?(\d+)\]? +(\d+\.\d+) (.*)")
_CALL = re.compile(rb"(\w+)\((.*)\) += (-?\d+)(.*)", re.DOTALL)
_FD = re.compile(rb"(-?\w+)<([\\x0-9a-f]*)>(\(deleted\))?")
_STRING = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


def _octets(hexed):
    return bytes.fromhex(hexed.replace(b"\\x", b"").decode())


@dataclasses.dataclass
class Event:
    """One change. began, at: time.time() when the call began and ended. kind: write, cut, sync, create, folder, remove,
    rename; or said, of octets that went into a socket. path: below the folder. pid: who did it (a thread's number)."""

    began: float
    at: float
    kind: str
    path: str
    offset: int = 0
    octets: memoryview = memoryview(b"")
    synced: bool = False  # the write itself is one that waits for the disk (O_DSYNC)
    pid: int = 0
    to: str = ""  # the new name of what was renamed

    @property
    def data(self):
        return bytes(self.octets)


def is_traced(pid):
    """Whether a tracer is attached to every thread of the process."""
    return all(re.search(r"^TracerPid:\s+[1-9]", (task / "status").read_text(), re.M)
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir())


def _is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Recorder:
    """strace on running processes, or on those to come, that write below `folder` (as the test sees it).

    work: a folder for what is recorded. also: further processes, of whom only what they say into sockets is of interest."""

    def __init__(self, work, folder, pids=(), also=()):
        self.folder, self.log = pathlib.Path(folder), pathlib.Path(work) / "disk.strace"
        self.before, self.pids = pathlib.Path(work) / "disk.before", [*pids, *also]
        shutil.rmtree(self.before, ignore_errors=True)
        self.log.unlink(missing_ok=True)
        calls = CALLS + (SAY if also else ())
        self._words = ["strace", "-f", "-y", "-ttt", "-T", "-xx", "-s", "16000000", "-e", f"trace={','.join(dict.fromkeys(calls))}",
                       "-e", "signal=none", "-o", str(self.log)]
        self.claims = 0  # calls of fallocate, of which events() tells nothing: they change neither a length nor an octet
        self._open, self._places = {}, {}  # both by (number, path), which no two processes have in common
        for pid in pids:
            self._open.update(self._open_files(pid))
        self._strace = self._attach() if self.pids else None
        if self.folder.exists():
            shutil.copytree(self.folder, self.before)
        else:
            self.before.mkdir()

    def _attach(self):
        strace = subprocess.Popen([*self._words, "-p", ",".join(map(str, self.pids))], stdin=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE)
        wait.until(lambda: all(map(is_traced, self.pids)), 20, "strace attached to every thread")
        return strace

    def words(self):
        """What to put before the command of a program to have it and its children recorded. The program keeps its
        place as the caller's child."""
        return [*self._words, "-D", "--"]

    def _open_files(self, pid):
        """Descriptors that are open already: ((number, path), whether writes to it wait for the disk)."""
        for fd in os.listdir(f"/proc/{pid}/fd"):
            text = pathlib.Path(f"/proc/{pid}/fdinfo/{fd}").read_text()
            flags = int(re.search(r"^flags:\s+(\d+)", text, re.M)[1], 8)
            path = self._below(os.fsencode(os.readlink(f"/proc/{pid}/fd/{fd}")))
            yield (int(fd), path), bool(flags & (os.O_DSYNC | os.O_SYNC))

    def stop(self):
        """What was recorded is whole when this returns. Programs that were started with words() have ended by then."""
        if self._strace is None:
            mine = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self._is_mine(pid)]
            wait.until(lambda: not any(map(_is_alive, mine)), 20, "the end of strace")
            return
        self._strace.terminate()
        self._strace.wait(60)
        self._strace.stderr.close()

    def _is_mine(self, pid):
        try:
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return words[0] == b"strace" and os.fsencode(self.log) in words

    # ---- reading the log

    def events(self):
        """Every change below the folder, in the order in which the calls ended. Their octets stay in a file."""
        found, begun = [], {}
        with open(self.log.with_suffix(".octets"), "wb+") as self._spool:
            self._spooled = 0
            with open(self.log, "rb") as log:
                for raw in log:
                    self._line(raw, begun, found)
            self._spool.flush()
            octets = memoryview(mmap.mmap(self._spool.fileno(), 0, access=mmap.ACCESS_READ) if self._spooled else b"")
        for event in found:
            event.octets = octets[slice(*event.octets)]
        return sorted(found, key=lambda event: event.at)

    def _line(self, raw, begun, found):
        match = _LINE.match(raw.rstrip(b"\n"))
        if not match:
            return
        pid, at, text = int(match[1]), float(match[2]), match[3]
        if text.endswith(b"<unfinished ...>"):
            begun[pid] = at, text[:-len(b"<unfinished ...>")].rstrip()
            return
        began = at
        if text.startswith(b"<... "):
            began, head = begun.pop(pid)
            text = head + text[text.index(b"resumed>") + len(b"resumed>"):]
        call = _CALL.match(text)
        if not call or int(call[3]) < 0:
            return
        took = re.search(rb"<(\d+\.\d+)>$", call[4])
        ended = began + (float(took[1]) if took else 0)
        for kind, path, more in self._changes(call[1].decode(), call[2], int(call[3]), call[4]):
            octets = more.pop("octets", b"")
            self._spool.write(octets)
            found.append(Event(began, ended, kind, path, pid=pid, octets=(self._spooled, self._spooled + len(octets)), **more))
            self._spooled += len(octets)

    def _below(self, path):
        """The path below the folder, or None."""
        text = re.sub("^/run/hosts/[^/]+/root(?=/)", "", path.decode(errors="surrogateescape"))
        below = os.path.relpath(text, self.folder) if text.startswith("/") else ".."
        return None if below.startswith("..") else "" if below == "." else below

    def _changes(self, name, arguments, result, tail):
        """(kind, path, further values) of each."""
        if name == "openat":
            yield from self._opened(arguments, result, tail)
            return
        if name in NAMES:
            yield from self._named(name, arguments)
            return
        fd = _FD.match(arguments)
        where = _octets(fd[2]) if fd else b""
        path = self._below(where)
        if path is None:
            if name in SAY and where.startswith((b"socket:", b"TCP")):
                octets = b"".join(_octets(one[1][:4 * SAID_MAX]) for one in _STRING.finditer(arguments))
                yield "said", "", {"octets": octets[:SAID_MAX]}
        elif not fd[3]:
            yield from self._written(name, (int(fd[1]), path), arguments, result)

    def _written(self, name, key, arguments, result):
        path = key[1]
        if name in ("pwrite64", "pwritev", "write", "writev"):
            octets = b"".join(_octets(one[1]) for one in _STRING.finditer(arguments))[:result]
            offset = int(arguments.rsplit(b",", 1)[1]) if name.startswith("p") else self._places[key]
            if not name.startswith("p"):
                self._places[key] += result
            yield "write", path, {"offset": offset, "octets": octets, "synced": self._open.get(key, False)}
        elif name == "lseek":
            self._places[key] = result
        elif name in ("fdatasync", "fsync"):
            yield "sync", path, {}
        elif name == "ftruncate":
            yield "cut", path, {"offset": int(arguments.rsplit(b",", 1)[1])}
        elif name == "fallocate" and arguments.split(b", ")[1] == b"FALLOC_FL_KEEP_SIZE":
            self.claims += 1
        else:
            raise AssertionError(f"disklog does not know what {name} leaves behind: {arguments[:200]!r}")

    def _opened(self, arguments, result, tail):
        path = re.match(rb"<((?:\\x[0-9a-f]{2})+)>", tail)
        below = self._below(_octets(path[1])) if path else None
        if below is None:
            return
        self._open[result, below] = b"O_DSYNC" in arguments or b"O_SYNC" in arguments
        self._places[result, below] = 0
        if b"O_TRUNC" in arguments or b"O_APPEND" in arguments:
            raise AssertionError(f"disklog does not know what such an openat leaves behind: {arguments[:200]!r}")
        if b"O_CREAT" in arguments:
            yield "create", below, {}

    def _named(self, name, arguments):
        paths = [self._below(os.path.join(_octets(folder[2]), _octets(last[1]))) for folder, last in
                 zip(_FD.finditer(arguments), _STRING.finditer(arguments))]
        if all(path is None for path in paths):
            return
        if NAMES[name] is None or None in paths:
            raise AssertionError(f"disklog does not know what {name} leaves behind: {arguments[:200]!r}")
        yield NAMES[name], paths[0], {"to": paths[1]} if len(paths) > 1 else {}


class File:
    """durable: its octets for certain. pending: writes that no sync covers: (offset, octets or None for a cut, when)."""

    def __init__(self, octets=b""):
        self.durable, self.pending = bytearray(octets), []


@dataclasses.dataclass
class Left:
    """What a cut left. folders: in the order in which they are to be made. files: path -> File or octets, both as they are."""

    choice: str
    folders: list
    files: dict

    def octets(self, path):
        file = self.files[path]
        return file.durable if isinstance(file, File) else file

    def write(self, folder, below=""):
        """Puts it into `folder`, which is made; or the part of it whose paths begin like that."""
        folder = pathlib.Path(folder)
        folder.mkdir()
        for path in self.folders:
            if path.startswith(below):
                (folder / path).mkdir(parents=True)
        for path in self.files:
            if path.startswith(below):
                (folder / path).write_bytes(self.octets(path))


def _put(octets, offset, data):
    if len(octets) < offset:
        octets.extend(bytes(offset - len(octets)))
    octets[offset:offset + len(data)] = data


class Disk:
    """A disk that the events are played to, and what it holds when the power goes. A folder is a name that stands for None."""

    def __init__(self, before, events):
        self.events, self.next = events, 0
        self.names = {}  # as the processes see them: path -> File or None
        for path in sorted(pathlib.Path(before).rglob("*")):
            if path.is_dir() or path.is_file():
                self.names[str(path.relative_to(before))] = None if path.is_dir() else File(path.read_bytes())
        self.durable = dict(self.names)
        self.pending = []  # changes of names that no sync covers: (when, path that it ends at, path that it takes away, File or None)

    def cut(self, n, random_):
        """Plays the events up to number n; returns what a cut then might leave."""
        while self.next < n:
            event = self.events[self.next]
            getattr(self, f"_{event.kind}")(event)
            self.next += 1
        choice = random_.choice(("nothing", "all", "writes", "sectors"))

        def happened():
            """Whether a change that no sync covers is on the disk."""
            return choice == "all" or choice != "nothing" and random_.random() < 0.5

        names = dict(self.durable)
        for change in self.pending:
            if happened():
                self._apply(names, change)
        left, folders = Left(choice, [], {}), {""}
        for path in sorted(names):
            if os.path.dirname(path) not in folders:
                continue  # lost with its folder
            if names[path] is None:
                folders.add(path)
                left.folders.append(path)
            else:
                left.files[path] = self._left(names[path], choice, happened, random_)
        return left

    def _left(self, file, choice, happened, random_):
        if not file.pending:
            return file
        octets = bytearray(file.durable)
        for offset, data, _ in file.pending:
            if data is None:
                if happened():
                    octets[offset:] = bytes(max(0, offset - len(octets)))
            elif choice == "sectors":
                for at in range(0, len(data), SECTOR):
                    if random_.random() < 0.5:
                        _put(octets, offset + at, data[at:at + SECTOR])
            elif happened():
                _put(octets, offset, data)
        return octets

    # ---- names

    @staticmethod
    def _apply(names, change):
        _, to, away, node = change
        if away is not None and (to is None or names.get(away) is node):
            names.pop(away, None)
        if to is not None:
            names[to] = node

    def _change(self, event, to, away, node):
        change = event.at, to, away, node
        self._apply(self.names, change)
        self.pending.append(change)

    def _create(self, event):
        if event.path not in self.names:
            self._change(event, event.path, None, File())

    def _folder(self, event):
        self._change(event, event.path, None, None)

    def _remove(self, event):
        self._change(event, None, event.path, self.names[event.path])

    def _rename(self, event):
        node = self.names[event.path]
        if node is None:
            raise AssertionError(f"disklog does not know what a folder that gets another name leaves behind: {event.path}")
        self._change(event, event.to, event.path, node)

    def _sync_names(self, event):
        """A name that is certain is so wherever it came from: what led to it needs no sync any more."""
        kept = []
        for change in self.pending:
            when, to, away, node = change
            if os.path.dirname(away if to is None else to) != event.path or when > event.began:
                kept.append(change)
                continue
            self._apply(self.durable, change)
            if node is not None:
                kept = [one for one in kept if one[3] is not node]
        self.pending = kept

    # ---- octets

    def _said(self, event):
        pass

    def _write(self, event):
        file = self.names[event.path]
        if event.synced:  # it waits for itself, not for what was written before
            self._settle(file, [(event.offset, event.octets, event.at)])
        else:
            file.pending.append((event.offset, event.octets, event.at))

    def _cut(self, event):
        self.names[event.path].pending.append((event.offset, None, event.at))

    def _settle(self, file, writes):
        for offset, data, _ in writes:
            if data is None:
                file.durable[offset:] = bytes(max(0, offset - len(file.durable)))
            else:
                _put(file.durable, offset, data)

    def _sync(self, event):
        """Of a file: its writes that ended before the sync began. Of a folder: its names."""
        file = self.names.get(event.path)
        if file is None:
            self._sync_names(event)
            return
        self._settle(file, [one for one in file.pending if one[2] <= event.began])
        file.pending = [one for one in file.pending if one[2] > event.began]
