"""Quartermaster itself, started from the build folder.

    suite = Suite(CONFIG, host=us)       # on a host of net.py, as root, with the ports CONFIG says
    suite = Suite(CONFIG)                # without root, on loopback; by root as the user nobody
    with suite:                          # starts it, waits until it says it is ready; stops it
        suite.wait_log(m="delivered", rcpt="a@example.net")
        suite.qmctl("queue", "list")

CONFIG is the text of a configuration file. In it ${dir} is the suite's own folder and ${port:NAME} a
free loopback port, the same one for the same NAME (suite.port("NAME") tells it). stop() checks what a
good end leaves: no process, no error in the log, no line that is not logfmt (such as a sanitizer's).
"""

import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from . import logfmt, ports, sandbox, wait

# Settings that put what the suite writes into its own folder. They are prefixed to every CONFIG.
PLACES = 'state-dir "${dir}/state"\nrun-dir "${dir}/run"\n'
USERS = ("qm-smtpd", "qm-queue", "qm-deliver", "qm-web", "qm-hooks", "qm-vault")
LOCALSERVE_PORTS = {"smtp": 25, "submission": 587, "submissions": 465, "http": 80}
NOBODY = 65534
_PR_SET_CHILD_SUBREAPER = 36


class SuiteError(AssertionError):
    """The suite did not start, stop or behave; the text holds its log's end."""


class Suite:
    """config: text of the configuration, or None for localserve. host: a net.Host, or None for loopback.

    folder: where its files go; by default host.work/suite, or a folder of the sandbox, or without one
    a new temporary folder that stop() removes. places: text put in front of config. env: more
    environment. program: path of the binary.
    """

    def __init__(self, config, host=None, folder=None, places=PLACES, env=None, program=None):
        self.host, self.config_text, self.env = host, config, dict(env or {})
        drops = host is None and os.geteuid() == 0
        self.program = pathlib.Path(program or sandbox.bin_dir(for_others=drops) / "quartermaster")
        self.qmctl_program = self.program.with_name("qmctl")
        self.user = NOBODY if drops else None
        self._temporary = folder is None and host is None and not sandbox.inside()
        self.folder = pathlib.Path(folder or self._new_folder())
        self.folder.mkdir(exist_ok=True)
        if self.user is not None:
            os.chown(self.folder, self.user, self.user)
        self.log_path = host.work / "suite.log" if host else self.folder / "suite.log"
        self._places, self._ports, self.process = places, {}, None
        self._allowed, self._checked = [], 0
        self._notify, self._notices = None, []
        if host:
            for number, user in enumerate(USERS):
                host.add_user(user, 31100 + number)
        elif config is None:
            self._offset = ports.take_offset(LOCALSERVE_PORTS.values())
        _adopt_orphans()

    def _new_folder(self):
        if self.host:
            return self.host.work / "suite"
        return sandbox.new_folder("suite") if sandbox.inside() else tempfile.mkdtemp(prefix="qm-")

    # ---- configuration

    def port(self, name):
        """The port that ${port:name} stands for, or localserve's listener of that name."""
        if self.config_text is None:
            return self._offset + LOCALSERVE_PORTS[name]
        if name not in self._ports:
            self._ports[name], = ports.take()
        return self._ports[name]

    def expand(self, text):
        """`text` with ${dir} and ${port:NAME} filled in."""
        text = text.replace("${dir}", str(self.folder))
        return re.sub(r"\$\{port:([A-Za-z0-9_-]+)\}", lambda match: str(self.port(match[1])), text)

    @property
    def config_path(self):
        return self.folder / ("state" if self.config_text is None else "") / "quartermaster.conf"

    def write_config(self, config=None):
        """Writes the configuration file, with a new text if one is given, for start() or a reload."""
        self.config_text = config if config is not None else self.config_text
        self.config_path.write_text(self.expand(self._places + self.config_text))

    def add_file(self, name, text, mode=0o600):
        """Puts a file (such as a key) into the suite's folder, beside its configuration."""
        path = self.folder / name
        made = [one for one in path.parents if not one.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        for one in [path, *made] if self.user is not None else []:
            os.chown(one, self.user, self.user)
        return path

    # ---- start and stop

    def command(self):
        if self.config_text is None:
            return [self.program, "localserve", "--dir", self.folder / "state", "--port-offset",
                    str(self._offset)]
        return [self.program, "-c", self.config_path]

    def start(self, timeout=20.0):
        """Starts it and waits for READY=1 on its notify socket. Raises SuiteError when it ends before."""
        if self.config_text is not None:
            self.write_config()
        self._listen_for_notices()
        self._launch({"NOTIFY_SOCKET": str(self.folder / "notify"), **self.env})
        self._until_ready(time.monotonic() + timeout)
        return self

    def _listen_for_notices(self):
        """A socket that a thread empties: once some ten notices wait there the suite would stand still."""
        path = self.folder / "notify"
        path.unlink(missing_ok=True)
        self._close_notify()
        self._notify, self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), []
        self._notify.bind(str(path))
        path.chmod(0o666)
        threading.Thread(target=_keep_notices, args=(self._notify, self._notices), daemon=True).start()

    def _close_notify(self):
        if self._notify is not None:
            self._notify.shutdown(socket.SHUT_RDWR)
            self._notify.close()
        self._notify = None

    def notices(self):
        """What it told the service manager since start(), in order: each a list of its lines (sd_notify(3))."""
        return list(self._notices)

    def _launch(self, env):
        command = [str(word) for word in self.command()]
        if self.host:
            self.process = self.host.start(command, "suite", env=env)
            return
        with open(self.log_path, "ab") as log, open(self.log_path.with_suffix(".out"), "ab") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=log,
                                            env={**os.environ, **env}, start_new_session=True,
                                            user=self.user, group=self.user,
                                            extra_groups=[] if self.user is not None else None)

    def _until_ready(self, end):
        while not any("READY=1" in notice for notice in self.notices()):
            time.sleep(wait.STEP)
            if self.process.poll() is not None:
                self._fail(f"ended with {self.process.returncode} before it was ready")
            if time.monotonic() > end:
                self._fail("is not ready")

    def stop(self, timeout=20.0):
        """SIGTERM, waits for its end, and checks what it left (see the head of this file)."""
        if self.process is None:
            return
        mine = self.processes()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._end_all(mine)
            self._fail(f"did not stop within {timeout:g} s of SIGTERM")
        left = _after_a_moment(mine)
        self._end_all(left)
        self.process = None
        if code != 0:
            self._fail(f"ended with {code}")
        if left:
            self._fail(f"left processes behind: {left}")
        self._close_notify()
        self.check_log()
        self._clean()

    def kill(self):
        """SIGKILL for every process of it at once, as a crash of the machine would. The log is not
        checked, and start() may follow."""
        mine = self.processes()
        self._end_all(mine)
        self.process.wait(10)
        self.process = None
        self._close_notify()
        self.forgive()

    def _end_all(self, found):
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        wait.until(lambda: not _still_there(found), what="the end of killed processes")

    def _clean(self):
        if self._temporary and os.environ.get("QM_KEEP") != "1":
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.stop()
        elif self.process is not None:
            print(f"---- suite log ({self.log_path})\n{self.tail()}", flush=True)
            self.kill()

    # ---- processes

    def processes(self):
        """pid -> command line of all its processes: descendants of this test that run its programs."""
        folder = str(self.program.resolve().parent)
        if self.host:  # its root is a place below ours
            folder = str(self.host.root) + folder
        found = {}
        for pid in _descendants(os.getpid()):
            try:
                if os.readlink(f"/proc/{pid}/exe").startswith(folder):
                    line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
                    found[pid] = line.replace(b"\0", b" ").decode(errors="replace").strip()
            except OSError:
                continue
        return found

    # ---- log

    def log(self):
        """Every line of the log so far as a dict of its values; {"stray": line} if not logfmt."""
        if not self.log_path.exists():
            return []
        lines = self.log_path.read_text(errors="surrogateescape").splitlines()
        return [logfmt.parse(line) or {"stray": line} for line in lines]

    def find_log(self, **wanted):
        """The entries that have all these values."""
        return [entry for entry in self.log() if logfmt.matches(entry, wanted)]

    def wait_log(self, timeout=15.0, count=1, **wanted):
        """Waits for `count` such entries; returns the last one."""
        wait.until(lambda: len(self.find_log(**wanted)) >= count, timeout,
                   lambda: f"{count} log entries {wanted}\n{self.tail()}")
        return self.find_log(**wanted)[-1]

    def tail(self, lines=60):
        if not self.log_path.exists():
            return ""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def allow_error(self, pattern):
        """From now on a line of the log that this regular expression finds is no fault."""
        self._allowed.append(re.compile(pattern))

    def forgive(self):
        """What the log has so far is not looked at by check_log()."""
        self._checked = len(self.log_path.read_text(errors="replace").splitlines())

    def check_log(self):
        """Fails on l=error and on lines that are not logfmt, unless allowed."""
        lines = self.log_path.read_text(errors="surrogateescape").splitlines()[self._checked:]
        bad = [line for line in lines if (logfmt.parse(line) or {"l": "error"})["l"] == "error"
               and not any(pattern.search(line) for pattern in self._allowed)]
        if bad:
            self._fail("logged what it should not:\n  " + "\n  ".join(bad[:20]))

    def _fail(self, what):
        self._clean_later()
        raise SuiteError(f"the suite {what}\n---- end of {self.log_path}\n{self.tail()}")

    def _clean_later(self):
        """A failed suite's own folder stays for a look; its path is in the message."""
        self._temporary = False

    # ---- qmctl

    def qmctl(self, *words, check=True, input=None):
        """Runs qmctl -j with these words and returns what it printed as a value; with check=False the
        subprocess.CompletedProcess instead, whatever it ended with. input: text for its standard input."""
        command = [str(self.qmctl_program), "-c", str(self.config_path), "-j", *map(str, words)]
        if self.host:
            done = self.host.run(command, input=input, check=False)
        else:
            done = subprocess.run(command, input=input, capture_output=True, text=True, timeout=60)
        if not check:
            return done
        if done.returncode != 0:
            raise SuiteError(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else None


def _keep_notices(sock, notices):
    while octets := sock.recv(4096):
        notices.append(octets.decode(errors="replace").split("\n"))


def _adopt_orphans():
    """A process whose parent ends becomes this test's child, so that none is lost from sight."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _stat(pid):
    """(parent, state), or None once it is gone."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), fields[0]


def _descendants(top):
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = _stat(entry)
            if stat and stat[1] not in "ZX":
                parents.setdefault(stat[0], []).append(int(entry))
    found, ahead = [], [top]
    while ahead:
        children = parents.get(ahead.pop(), [])
        found += children
        ahead += children
    return found


def _after_a_moment(found):
    """_still_there once those that are just ending have had a second to do so."""
    try:
        wait.until(lambda: not _still_there(found), 1.0)
    except TimeoutError:
        pass
    return _still_there(found)


def _still_there(found):
    """Those of pid -> line that live on; a zombie does not."""
    live = {}
    for pid, line in found.items():
        stat = _stat(pid)
        if stat and stat[1] not in "ZX":
            live[pid] = line
    return live
