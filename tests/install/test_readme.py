"""What README.md tells a newcomer to type does what it says."""

import email
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import unittest

from harness import mailbox, ports, sandbox, wait
from harness import suite as suites

README = (sandbox.SOURCE / "README.md").read_text()
SEND = "curl --user qm@localhost:quartermaster http://localhost:1080/webapi/v0/Send \\\n  --data"
BLOCKS = re.findall(r"^```\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def block(beginning):
    """The one block of the page that begins so."""
    found, = [text for text in BLOCKS if text.startswith(beginning)]
    return found


class Readme(unittest.TestCase):
    def setUp(self):
        self.suite = suites.Suite(None)
        self.enterContext(self.suite)
        self.folder = self.suite.folder / "state"
        self.hook_port, = ports.take()
        self.inbox = mailbox.Maildir(self.folder / "state/mail/local")

    def here(self, text):
        """A block with this suite's places in it."""
        text = text.replace("~/.local/share/quartermaster-localserve", str(self.folder))
        text = text.replace("build/bin/", f"{sandbox.bin_dir()}/")
        for name, port in (("http", 1080), ("submission", 1587), ("submissions", 1465), ("smtp", 1025)):
            text = text.replace(f"localhost:{port}", f"localhost:{self.suite.port(name)}")
        return text.replace('127.0.0.1", 8000', f'127.0.0.1", {self.hook_port}') \
                   .replace("127.0.0.1:8000", f"127.0.0.1:{self.hook_port}")

    def type(self, text):
        """Runs it in a shell, like somebody who reads the page; returns what it printed."""
        script = f"set -eo pipefail\n{self.here(block('CONF='))}{self.here(text)}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, f"{script}\n{done.stdout}{done.stderr}")
        return done.stdout

    def subjects(self):
        return sorted(email.message_from_bytes(octets)["Subject"] for octets in self.inbox.raw())

    def test_each_way_to_send_ends_in_the_mailbox_and_is_seen(self):
        answer = json.loads(self.type(block(SEND)))
        self.assertEqual([one["Address"] for one in answer["Submissions"]], ["you@example.org"])
        self.type(block("printf 'From: qm@localhost"))
        self.type(block("printf 'Subject: by sendmail"))
        wait.until(lambda: self.subjects() == ["by SMTP", "by sendmail", "hello"], what="three messages")
        self.look()

    def test_each_language_sends_its_message(self):
        self.assertEqual(list(json.loads(self.type(block("curl --user qm@localhost:quartermaster http://localhost:1080"
                                                         "/webapi/v0/Send \\\n  --form-string")))),
                         ["MessageID", "Submissions"])
        self.assertRegex(self.type(block("python3 - <<")), r"^<\S+@localhost> \d+\n$")
        self.assertRegex(self.type(block("node ")), r"^<\S+@localhost> \d+\n$")
        wait.until(lambda: self.subjects() == ["from Node", "from Python", "from curl"], what="three messages")
        curl, = [one for one in map(email.message_from_bytes, self.inbox.raw()) if one["Subject"] == "from curl"]
        self.assertEqual(curl.get_payload(1).get_payload(decode=True).decode(), README)

    def test_their_failures_say_why(self):
        for beginning in ("python3 - <<", "node "):
            text = block(beginning).replace("you@example.org", "nobody")
            script = f"{self.here(block('CONF='))}{self.here(text)}"
            done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn('"Code":"badAddress"', done.stderr)

    def look(self):
        row = self.retired()[0]
        lines = block("ls ~").replace("show ID ", f"show {row['id']} ").splitlines()
        self.assertEqual(len(lines), 5)
        shown = [self.type(line + "\n") for line in lines]
        self.assertEqual(len(shown[0].splitlines()), 3)
        self.assertEqual(shown[1].count("delivered"), 6, "twice each")
        self.assertIn("Attempt 1", shown[2])
        self.assertEqual(self.type(f"qmctl retired show {row['number']}\n"), shown[2], "by its QueueMsgID")
        self.assertIn("webapi/0", shown[3])
        self.assertIn("quartermaster_process_restarts_total", self.type("sleep 2.5\n" + lines[4] + "\n"))

    def retired(self):
        wait.until(lambda: len(self.suite_qmctl("retired", "list")) == 6, what="six rows of history")
        return self.suite_qmctl("retired", "list")

    def suite_qmctl(self, *words):
        command = [sandbox.bin_dir() / "qmctl", "-c", self.folder / "quartermaster.conf", "-j", *words]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    def listen(self):
        """Starts the page's listener for webhooks; returns the file with what it printed."""
        script = self.here(block("python3 -c '"))
        out = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / "out"
        with open(out, "wb") as file:
            process = subprocess.Popen(["bash", "-c", f"exec {script}"], stdout=file, stderr=subprocess.DEVNULL,
                                       env={**os.environ, "PYTHONUNBUFFERED": "1"})
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        wait.until(self.is_listening, what="the listener")
        return out

    def is_listening(self):
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.hook_port)) == 0

    def send_to(self, address):
        return json.loads(self.type(block(SEND).replace("you@example.org", address)))["Submissions"][0]["QueueMsgID"]

    def test_failures_come_as_bounce_as_delay_and_as_webhook(self):
        out = self.listen()
        self.type(block("echo 'webhook"))
        wanted = {self.send_to("you@example.org"): "delivered", self.send_to("you+550@example.org"): "failed",
                  self.send_to("you+451@example.org"): "delayed"}

        def told():
            payloads = [json.loads(line) for line in out.read_text().splitlines() if line.startswith("{")]
            return {one["QueueMsgID"]: one["Event"] for one in payloads}
        wait.until(lambda: told() == wanted, 20, lambda: f"webhooks {wanted}: {told()}")
        wait.until(lambda: self.subjects() == ["Message not delivered", "hello"], what="a bounce")
        # A message is in its mailbox a moment before its row has left the queue.
        wait.until(lambda: [(row["to"], row["attempts"] > 0) for row in self.suite_qmctl("queue", "list")]
                   == [("you+451@example.org", True)], what="the delayed message alone in the queue")
        before = self.suite_qmctl("queue", "list")[0]["attempts"]
        events = json.loads(self.type(block("curl --user qm@localhost:quartermaster 'http")))["Events"]
        self.assertLessEqual({"accepted", "delivered", "failed", "delayed"}, {one["Event"] for one in events})
        self.type(re.search("`(qmctl queue kick --all)`", README).group(1) + "\n")
        wait.until(lambda: self.suite_qmctl("queue", "list")[0]["attempts"] > before, what="a further attempt")


class Page(unittest.TestCase):
    def test_whole_blocks_can_be_pasted_into_a_shell(self):
        """What explains a command stands behind a #, and not among its words."""
        for text in BLOCKS:
            for line in text.splitlines():
                if re.match(r"(\./dev|build/bin|qmctl|curl|ls|systemctl|quartermaster) ", line):
                    with self.subTest(line):
                        self.assertNotRegex(line, r"\w {2,}[^# ]")


class Configuration(unittest.TestCase):
    def test_the_one_for_a_domain_is_good(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "quartermaster.conf"
            path.write_text(block("hostname mail.example.org"))
            done = subprocess.run([sandbox.bin_dir() / "quartermaster", "-n", "-c", path], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
