"""What the systemd unit takes from master is nothing that it needs: the suite under the unit's capabilities."""

import os
import re
import signal
import uuid

from harness import case, client, mailbox, sandbox, suite, wait

UNIT = sandbox.SOURCE / "dist/quartermaster.service.in"
CONFIG = """
hostname mx.us.test
listen public { address 192.0.2.1  smtp 25 }
domain us.test { %s }
account ann { address ann@us.test }
"""


def setting(name):
    """The value of one setting of the unit."""
    return re.search(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE).group(1)


class Confined(suite.Suite):
    """The suite with the unit's capabilities, none of them to be had back."""

    def command(self):
        kept = [f"+{name.removeprefix('CAP_').lower()}" for name in setting("CapabilityBoundingSet").split()]
        return ["setpriv", "--bounding-set", ",".join(["-all", *kept]), "--no-new-privs", *super().command()]


class Unit(case.LanCase):
    def mail_passes(self):
        token = uuid.uuid4().hex
        client.send(self.us.v4, 25, "b@example.net", ["ann@us.test"], client.message("ann@us.test", token))
        inbox = mailbox.Maildir(self.suite.folder / "state/mail/ann")
        wait.until(lambda: any(token.encode() in octets for octets in inbox.raw()), what="the mail")

    def processes(self):
        return {one["name"]: one for one in self.suite.qmctl("status")["processes"]}

    def test_the_suite_lives_with_the_capabilities_of_the_unit(self):
        self.us = self.lan.host("us", 1)
        self.suite = Confined(CONFIG % "", host=self.us)
        with self.suite:
            self.mail_passes()
            self.suite.add_file("key.pem", self.us.run(["openssl", "genpkey", "-algorithm", "ed25519"]).stdout)
            self.suite.write_config(CONFIG % "dkim one { key-file key.pem }")
            self.suite.qmctl("reload")
            self.mail_passes()
            self.suite.allow_error("process ended")
            for name, old in self.processes().items():
                self.assertNotEqual(old["uid"], 0, name)
                self.assertEqual(old["seccomp"], "filter", name)
                folder = {"qmgr": "state/queue", "delivery/local": "state/mail"}.get(name, "run/empty")
                self.assertEqual(old["root"], str(self.suite.folder / folder), name)
                os.kill(old["pid"], signal.SIGKILL)
                wait.until(lambda: self.back(name, old["pid"]), what=f"{name} to be up again")
            self.mail_passes()
            # Master ends who does not end by itself, after 9.5 s.
            os.kill(self.processes()["hooks"]["pid"], signal.SIGSTOP)

    def back(self, name, old_pid):
        done = self.suite.qmctl("status", check=False)
        return done.returncode == 0 and self.processes()[name]["pid"] not in (0, old_pid) \
            and self.processes()[name]["state"] == "up"


if __name__ == "__main__":
    case.main()
