"""Reading a Maildir."""

import email
import email.policy
import pathlib

from . import wait


class Maildir:
    """A Maildir at a path, which need not exist yet."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def files(self):
        """Paths of all messages in new/ and cur/, oldest first."""
        found = [path for part in ("new", "cur") for path in (self.path / part).glob("*")]
        return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))

    def raw(self):
        """Every message as octets, oldest first."""
        return [path.read_bytes() for path in self.files()]

    def messages(self):
        """Every message as email.message.EmailMessage, oldest first."""
        return [email.message_from_bytes(octets, policy=email.policy.default) for octets in self.raw()]

    def wait(self, count=1, timeout=20.0):
        """Waits until there are at least `count` messages; returns messages()."""
        wait.until(lambda: len(self.files()) >= count, timeout,
                   lambda: f"{count} messages in {self.path}; there are {len(self.files())}")
        return self.messages()

    def staged(self):
        """What lies in tmp/: deliveries under way, or left by a crash."""
        return sorted((self.path / "tmp").glob("*"))

    def empty(self):
        """Deletes every message."""
        for path in self.files():
            path.unlink()
