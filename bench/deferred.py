"""Postfix with a large deferred queue, to stand beside our own."""

import os
import time

from harness import postfix, sandbox, wait

REST = 7200  # seconds until what is not due is tried


class Deferred:
    """On a host of its own. It fills its queue itself: mail comes in by SMTP and is put off at once, since the transport it
    would go by is told to wait (defer_transports); that ends before anything is measured."""

    words = "Postfix"

    def __init__(self, host, messages, due):
        self.host, self.messages, self.due = host, messages, due
        self.postfix = postfix.Postfix(host, settings={
            "mynetworks": "192.0.2.0/24", "smtp_tls_security_level": "none", "smtp_connect_timeout": "5s",
            "minimal_backoff_time": "300s", "maximal_backoff_time": "4000s", "queue_run_delay": "300s",
            "defer_transports": "smtp"})
        self.log_path, self.folder = self.postfix.log_path, host.path("/var/spool/postfix")

    def fill(self, load, asked):
        self.postfix.start()
        load.run([sandbox.bin_dir() / "bench-load", "--to", f"{self.host.v4}:25", "--messages", self.messages, "--connections", 20,
                  "--reuse", "--size", 1024, "--recipients", asked.each, "--domain", "dead.test", "--domains", asked.domains],
                 timeout=1200)
        wait.until(lambda: not any(self._of("active", "incoming")), 1200, "all of it to be deferred")
        self.postfix.stop()
        self.host.run(["postconf", "-e", "defer_transports ="])
        found = sum(1 for _ in self._of("deferred"))
        if found != self.messages:
            raise RuntimeError(f"{found} messages of {self.messages} are in Postfix's deferred queue")

    def _of(self, *queues):
        """Queue files, as they come."""
        for queue in queues:
            for folder, _, names in os.walk(self.folder / queue):
                for name in names:
                    yield folder, name

    def prepare(self, tried):
        """Of one that has stopped: none is due before an hour, or so many at once. What it was about to try is put back."""
        for folder, name in list(self._of("active", "incoming")):
            os.rename(f"{folder}/{name}", self.folder / "deferred" / name[0] / name)
        due, now = self.due if tried else 0, time.time()
        for n, (folder, name) in enumerate(self._of("deferred")):
            at = now - 1 if n < due else now + REST
            os.utime(f"{folder}/{name}", (at, at))

    def start(self):
        self.postfix.start()

    def stop(self):
        self.postfix.stop()

    deferral = b"status=deferred"

    def list(self):
        """The command that shows all of the queue."""
        return ["mailq"]

    def own_memory(self):
        return {}

    def pages(self):
        return {}
