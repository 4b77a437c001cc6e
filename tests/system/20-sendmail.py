"""Programs of the same machine hand their mail over by calling sendmail: Debian's cron and mail, and by hand."""

import concurrent.futures
import json
import os
import subprocess
import time

from harness import case, mailbox, suite, wait

CONFIG = """
hostname mx.us.test
queue { minimum-free 1M }
domain us.test { }
account root { address root@us.test }
account ann { address ann@us.test }
account bob { address bob@us.test }
"""
NAMES = ("/usr/sbin/sendmail", "/usr/lib/sendmail", "/usr/bin/mailq", "/usr/bin/newaliases", "/usr/sbin/rmail")
MIB = 1 << 20


def tomorrow():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86400))


class Sendmail(case.LanCase):
    def start(self, software=(), before=lambda: None, more=""):
        """The suite on a machine where the user ann is, and sendmail is ours under all its names."""
        self.us = self.lan.host("us", 1, software=software)
        for name in NAMES:
            path = self.us.path(name)
            path.unlink(missing_ok=True)
            program = name.rpartition("/")[2]
            path.symlink_to(f"/run/bin/{program}")
        self.us.write("/etc/mailname", "us.test\n")
        self.us.add_user("ann", 2001, home="/home/ann", shell="/bin/sh")
        self.suite = suite.Suite(CONFIG + more, host=self.us)
        self.suite.write_config()
        self.us.write("/etc/quartermaster/quartermaster.conf", self.suite.config_path.read_text())
        before()
        self.suite.start()
        self.addCleanup(self.end)

    def end(self):
        if self.suite.process is not None:
            self.suite.kill()

    def inbox(self, name):
        return mailbox.Maildir(self.suite.folder / "state/mail" / name)

    def call(self, *words, input="Subject: x\n\ny\n", user="ann", program="/usr/sbin/sendmail", **more):
        """Calls sendmail as a user to its end; returns the CompletedProcess."""
        return self.us.run([program, *words], input=input, user=user, check=False, **more)

    def sent(self, *words, **more):
        """The same, where it has to succeed without a word."""
        done = self.call(*words, **more)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def queue(self):
        return [json.loads(line) for line in self.call("-j", program="/usr/bin/mailq").stdout.splitlines()]

    def test_a_message_gets_what_it_lacks_and_loses_its_bcc(self):
        self.start()
        self.us.path("/etc/passwd").write_text(self.us.path("/etc/passwd").read_text().replace(
            "ann:x:2001:2001::", "ann:x:2001:2001:& Smith,room 1:"))
        self.sent("-t", "-i", input="To: bob\nBcc: root@us.test\nSubject: caf\u00e9\n\nfirst\n.\nlast")
        for name in ("bob", "root"):
            got, = self.inbox(name).wait()
            self.assertEqual((got["From"], got["Return-Path"], got["To"], got["Bcc"], got["Subject"]),
                             ("Ann Smith <ann@us.test>", "<ann@us.test>", "bob@us.test", None, "caf\u00e9"))
            self.assertTrue(got["Date"] and got["Message-ID"])
            self.assertEqual(got.get_content(), "first\n.\nlast\n")
        self.suite.wait_log(m="connected", port="local", uid="2001")

    def test_cron_mails_what_a_job_says(self):
        self.start(software=["callers"])
        self.us.write("/etc/pam.d/cron", "".join(f"{kind} required pam_permit.so\n"
                                                 for kind in ("auth", "account", "session")))
        for folder in ("/etc/cron.d", "/var/spool/cron/crontabs"):
            self.us.path(folder).mkdir(parents=True, exist_ok=True)
        self.us.write("/etc/crontab", "")
        self.us.write("/etc/cron.d/job", "MAILTO=bob\n@reboot ann echo it works; echo .; echo and goes on\n")
        self.us.start(["/usr/sbin/cron", "-f"], "cron")
        got, = self.inbox("bob").wait()
        self.assertIn("Cron <ann@", got["Subject"])
        self.assertEqual((got["From"], got["Return-Path"]), ("Cron Daemon <root@us.test>", "<ann@us.test>"))
        self.assertEqual(got.get_content(), "it works\n.\nand goes on\n")

    def test_mail_sends_as_the_user_who_calls_it(self):
        self.start(software=["callers"])
        self.us.run(["s-nail", "-s", "a subject", "-b", "root", "bob"], input="hello\n", user="ann",
                    env={"HOME": "/home/ann", "USER": "ann", "LOGNAME": "ann"})
        got, = self.inbox("bob").wait()
        self.assertEqual((got["Subject"], got["Return-Path"], got["Bcc"]), ("a subject", "<ann@us.test>", None))
        self.assertEqual(got.get_content(), "hello\n")
        self.inbox("root").wait()

    def test_calls_of_many_at_once_are_all_taken(self):
        self.start()
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            codes = list(pool.map(lambda n: self.call("-i", "bob", input=f"Subject: {n}\n\nx\n").returncode, range(20)))
        self.assertEqual(codes, [0] * 20)
        got = self.inbox("bob").wait(20)
        self.assertEqual(sorted(int(message["Subject"]) for message in got), list(range(20)))

    def test_who_finds_no_place_at_once_waits_for_one(self):
        self.start(more="smtp { connections-per-address 1 }\n")
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            done = list(pool.map(lambda n: self.call("-i", "bob"), range(40)))
        self.assertEqual([(d.returncode, d.stderr) for d in done], [(0, "")] * 40)
        self.assertTrue(self.suite.find_log(m="connection refused: too many of one client"))
        self.assertEqual(len(self.inbox("bob").wait(40)), 40)

    def test_one_refused_recipient_keeps_it_from_all(self):
        self.start()
        done = self.call("bob", "postmaster")
        self.assertEqual(done.returncode, 67)
        self.assertIn("sendmail: <postmaster@us.test>: 550 5.1.1 ", done.stderr)
        self.assertIn("sendmail: the message was not queued", done.stderr)
        self.assertEqual(self.call("-oeq", "bob", "postmaster").stderr, "")
        self.sent("bob", input="Subject: after it\n\n")
        got, = self.inbox("bob").wait()
        self.assertEqual(got["Subject"], "after it")

    def test_nobody_listening_is_no_failure(self):
        self.start()
        reading, writing = os.pipe()
        os.close(reading)
        done = self.us.start(["/usr/sbin/sendmail", "-v", "bob"], "sendmail", user="ann", stderr=writing)
        os.close(writing)
        self.assertEqual(done.wait(30), 0)
        self.inbox("bob").wait()

    def test_a_stopped_suite_is_told_at_once(self):
        self.start()
        self.suite.stop()
        run = self.suite.folder / "run"
        for stale in (True, False):
            if not stale:
                for path in run.glob("*.sock"):
                    path.unlink()
            before = time.monotonic()
            done = self.call("bob")
            self.assertLess(time.monotonic() - before, 10)
            self.assertEqual(done.returncode, 75)
            self.assertIn("the message was not queued", done.stderr)
            self.assertEqual(self.call(program="/usr/bin/mailq").returncode, 69)
            self.assertEqual(self.call("-q").returncode, 75)
        self.assertEqual(self.call(program="/usr/bin/newaliases").returncode, 0)
        self.suite.start()
        self.sent("bob")
        self.inbox("bob").wait()

    def test_a_full_disk_is_a_temporary_failure_until_there_is_room(self):
        def small_disk():
            state = self.suite.folder / "state"
            state.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m,mode=755", "full", self.us.path(str(state))],
                           check=True)
        self.start(before=small_disk)
        state = self.us.path(str(self.suite.folder / "state"))
        ballast = state / "ballast"
        with open(ballast, "wb") as file:
            free = os.statvfs(state).f_bavail * os.statvfs(state).f_frsize
            file.write(bytes(free - 2 * MIB))
        self.suite.allow_error(".")
        done = self.call("bob", input="Subject: large\n\n" + "0123456789abcde\n" * (4 * MIB // 16))
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertIn("the message is refused: 452 4.3.1 ", done.stderr)
        ballast.unlink()
        wait.until(lambda: self.call("bob", input="Subject: small\n\n").returncode == 0, what="room")
        got = mailbox.Maildir(state / "mail/bob").wait()
        self.assertEqual([message["Subject"] for message in got], ["small"])

    def test_the_queue_is_listed_for_anybody(self):
        self.start()
        empty = self.call(program="/usr/bin/mailq")
        self.assertEqual((empty.returncode, empty.stdout, empty.stderr), (0, "Mail queue is empty\n", ""))
        self.sent("-O", f"hold-until={tomorrow()}", "bob", "root")
        self.sent("-f", "<>", "bob", input="Subject: held\n\n" + "x" * 2000 + "\n")
        self.inbox("bob").wait()
        wait.until(lambda: len(self.queue()) == 1, what="the message that waits alone")
        waiting, = self.queue()
        self.assertEqual((waiting["sender"], [r["address"] for r in waiting["recipients"]]),
                         ("ann@us.test", ["bob@us.test", "root@us.test"]))
        self.suite.qmctl("queue", "hold", "-m", waiting["queue_id"])
        lines = self.call("-bp").stdout.splitlines()
        self.assertEqual(lines[0], "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------")
        self.assertRegex(lines[1], rf"^{waiting['queue_id']}! +{waiting['message_size']} \w+ \w+ [ \d]\d \S+ ann@us.test$")
        self.assertEqual([line.strip() for line in lines[2:4]], ["bob@us.test", "root@us.test"])
        self.assertEqual(lines[-1], "-- 0 Kbytes in 1 Request.")

    def test_the_queue_is_run_for_those_who_may(self):
        self.start()
        self.sent("-O", f"hold-until={tomorrow()}", "bob")
        self.sent("-q")  # as ann, who may not
        self.assertEqual(len(self.queue()), 1)
        self.sent("-qRroot", user=None)
        self.assertEqual(len(self.queue()), 1)
        self.sent("-qI", self.queue()[0]["queue_id"], user=None)
        self.inbox("bob").wait()
        wait.until(lambda: not self.queue(), what="the empty queue")

    def test_what_cannot_be_sent_is_said_with_the_code_that_fits(self):
        self.start()
        for words, text, code, said in (
                (["bob"], "a\0b\n", 65, "the message holds a NUL, in line 1 behind 1 octets"),
                (["-t"], "To: two words\n", 65, "the header's To field: "),
                (["-t"], "Subject: x\n", 64, "no recipients"),
                ([], "x", 64, "no recipients"),
                (["-bs"], "HELO x\n", 69, "-bs: SMTP on standard input is not offered"),
                (["-f", "a\nb", "bob"], "x", 64, "the sender must not hold a line break"),
                (["-O", "smtputf8=no", "b\u00fcb@us.test"], "x", 65, "553 5.6.7")):
            done = self.call(*words, input=text)
            self.assertEqual((words, done.returncode), (words, code))
            self.assertIn(said, done.stderr)
        self.assertEqual(self.queue(), [])

    def test_rmail_takes_the_sender_from_the_first_line(self):
        self.start()
        self.sent("bob", program="/usr/sbin/rmail",
                  input="From far!joe Thu Jan  1 00:00:00 1970 remote from near\nSubject: x\n\n.\ny\n")
        got, = self.inbox("bob").wait()
        self.assertEqual((got["Return-Path"], got.get_content()), ("<joe@far>", ".\ny\n"))


if __name__ == "__main__":
    case.main()
