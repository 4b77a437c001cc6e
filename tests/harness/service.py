"""A peer's program on a host, between its start and its end."""

import contextlib
import os
import signal
import subprocess

from . import wait


class Service:
    """A program started with Host.start. Subclasses write its configuration first.

    name: also the name of its log, <host.work>/<name>.log.
    """

    def __init__(self, host, name):
        self.host, self.name = host, name
        self.process = None

    @property
    def log_path(self):
        return self.host.work / f"{self.name}.log"

    def log(self):
        """All it has logged so far, as text."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait_log(self, text, timeout=15.0, count=1):
        """Waits until `text` stands in the log at least `count` times."""
        wait.until(lambda: self.log().count(text) >= count, timeout,
                   lambda: f"'{text}' in the log of {self.name}:\n{self.log()[-3000:]}")

    def launch(self, command, port=None, env=None, user=None):
        """Starts the command and, with a port, waits until that takes connections."""
        self.process = self.host.start(command, self.name, env=env, user=user)
        if port is not None:
            self.host.listens(port, alive=self.process)
        return self

    def stop(self, timeout=10.0):
        """SIGTERM, and SIGKILL after timeout seconds. Its children in the same session go as well."""
        if self.process is None:
            return
        self._signal(signal.SIGTERM)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self.process.wait(timeout)
        self.process = None

    def kill(self):
        """SIGKILL for the program and its children in the same session, at once."""
        self._signal(signal.SIGKILL)
        self.process.wait(10)
        self.process = None

    def pause(self):
        """SIGSTOP: connections are taken by the kernel and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self):
        self._signal(signal.SIGCONT)

    def _signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
