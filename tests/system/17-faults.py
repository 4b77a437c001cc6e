"""What the suite stands on gives way: disk, memory, name service, an application. Nothing that was acknowledged is lost."""

import json
import os
import smtplib
import subprocess
import time
import unittest

from harness import api, case, client, dnszone, httpsink, mailbox, smtpsink, suite, wait

CONFIG = """
hostname mx.us.test
test-clock yes
listen public { address 192.0.2.1  smtp 25  submission 587  http 80  webapi yes  require-tls-for-auth no }
domain us.test { }
account ann { address ann@us.test }
transport sink { smtp { host 192.0.2.2  tls none  connect-timeout 1s  idle-timeout 0 } }
queue { attempts 100  large-body 1M  %s }
%s
"""
LITTLE_MEMORY = """
workers { smtpd 1 }
smtp { memory 2M  message-size 1M }
listen inside { address 192.0.2.1  http 8080  metrics yes }
"""
SLOWER, REFUSED = "room gets short: new mail is slowed down", "disk is nearly full: new mail is refused"
PLACES = 'state-dir "/var/lib/qm"\nrun-dir "${dir}/run"\n'


class Faults(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1)
        self.sink = smtpsink.SmtpSink(self.lan.host("sink", 2), 25)
        self.addCleanup(self.sink.close)
        self.disk = self.us.path("/var/lib/qm")
        self.disk.mkdir(parents=True)

    def mount(self, *words):
        return subprocess.run(["mount", *words, str(self.disk)], capture_output=True, text=True)

    def start(self, queue="", more="route { transport sink }"):
        self.suite = suite.Suite(CONFIG % (queue, more), host=self.us, places=PLACES)
        (self.disk / "credentials").write_text(api.credentials({"ann": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())

    # ---- ways in

    def smtp(self, token, size):
        """The code of the refusal, or None when it was taken."""
        try:
            with client.connect(self.us.v4, 587) as smtp:
                client.plain(smtp, "ann@us.test", "secret")
                smtp.sendmail("ann@us.test", ["b@example.net"],
                              client.message("b@example.net", token, sender="ann@us.test", size=size))
        except smtplib.SMTPSenderRefused as refused:
            return refused.smtp_code
        except smtplib.SMTPDataError as refused:
            return refused.smtp_code

    def http(self, token, size):
        answer = api.Api(self.us.v4, 80, "ann@us.test", "secret").call(
            "Send", {"To": [{"Address": "b@example.net"}], "Subject": token, "Text": "x" * size})
        return None if answer.status == 200 else answer.status

    def sendmail(self, token, size):
        done = self.us.run(["/run/bin/sendmail", "-C", self.suite.config_path, "-f", "ann@us.test", "b@example.net"],
                           input=f"From: ann@us.test\nSubject: {token}\n\n" + ("x" * 70 + "\n") * (size // 70), check=False)
        return done.returncode or None

    def fill(self, size=200_000, most=None, prefix="full"):
        """Sends so many, or until it is refused for the time; returns the tokens that were taken. self.took: how long
        each took, in seconds."""
        taken, self.took = [], []
        for number in range(most or 400):
            began = time.monotonic()
            code = self.smtp(f"{prefix}-{number}", size)
            if code is not None:
                self.assertIsNone(most)
                self.assertEqual(code, 452)
                return taken
            taken.append(f"{prefix}-{number}")
            self.took.append(time.monotonic() - began)
        self.assertIsNotNone(most, "the disk is never full")
        return taken

    def check_refusals(self, size):
        self.assertEqual(self.smtp("refused", size), 452)
        self.assertEqual(self.sendmail("refused", size), 75)
        self.assertGreaterEqual(self.http("refused", size), 400)

    def subjects(self):
        return sorted(mail.data.split(b"Subject: ")[1].split(b"\r\n")[0].decode() for mail in self.sink.mails
                      if mail.recipients)

    def deliver_all(self, taken):
        """Lets the remote server be there again: each message arrives, once."""
        self.lan.hosts["sink"].plug()
        wait.until(self.is_empty, 60, "an empty queue")
        self.assertEqual(self.subjects(), sorted(taken))

    def is_empty(self):
        """Whether nothing waits any more; what does is tried at once."""
        self.suite.qmctl("queue", "kick", "--all", check=False)
        return self.suite.qmctl("status")["queue"]["messages"] == 0

    # ---- the disk

    def test_a_nearly_full_disk_refuses_new_mail_and_keeps_the_rest(self):
        self.assertEqual(self.mount("-t", "tmpfs", "-o", "size=24m", "qm").returncode, 0)
        self.lan.hosts["sink"].unplug()
        self.start("minimum-free 6M  slow-down 600ms")
        taken = self.fill(600_000)
        self.assertGreater(len(taken), 10)
        self.suite.wait_log(m=REFUSED)
        said = [line["m"] for line in self.suite.log() if line.get("m") in (SLOWER, REFUSED)]
        self.assertEqual(said, [SLOWER, REFUSED])
        self.assertGreater(min(self.took[-2:]), 0.3)  # nearly the 600 ms, shortly before the first refusal
        self.check_refusals(1000)
        self.assertEqual(self.suite.qmctl("status")["queue"]["messages"], len(taken))
        # What goes out leaves free pages in the store, which are room though the disk is as full as before.
        self.deliver_all(taken)
        self.suite.wait_log(m="disk has room again")
        self.lan.hosts["sink"].unplug()
        taken += self.fill(most=10, prefix="again")
        for way in (self.smtp, self.http, self.sendmail):
            taken.append(f"after-{way.__name__}")
            self.assertIsNone(way(taken[-1], 1000))
        self.deliver_all(taken)
        self.assertEqual({one["restarts"] for one in self.suite.qmctl("status")["processes"]}, {0})
        self.suite.stop()

    def test_a_disk_full_to_the_last_octet_loses_nothing(self):
        self.assertEqual(self.mount("-t", "tmpfs", "-o", "size=16m", "qm").returncode, 0)
        self.lan.hosts["sink"].unplug()
        self.start("minimum-free 0")
        self.suite.allow_error('m="message not queued" .*why="(cannot write bodies/.*No space left|no room is left but)')
        taken = [one for size in (800_000, 100_000, 20_000, 3000) for one in self.fill(size)]
        self.check_refusals(200_000)
        self.check_refusals(3_000_000)  # of those that are files
        # What becomes of deliveries is written into the store's reserve, and makes room.
        self.deliver_all(taken)
        self.mount("-o", "remount,size=64m")
        self.assertIsNone(self.smtp("after", 200_000))
        self.assertEqual({one["restarts"] for one in self.suite.qmctl("status")["processes"]}, {0})
        self.suite.stop()

    def test_a_file_system_that_becomes_read_only_refuses_mail_until_it_is_mended(self):
        image = self.us.work / "disk.img"
        subprocess.run(["sh", "-c", 'truncate -s 64M "$1" && mkfs.ext4 -q "$1"', "sh", str(image)], check=True)
        if self.mount("-o", "loop", str(image)).returncode != 0:
            raise unittest.SkipTest("this machine lets nobody mount a loop device")
        self.lan.hosts["sink"].unplug()
        self.start("minimum-free 1M")
        taken = ["one", "two"]
        for token in taken:
            self.assertIsNone(self.smtp(token, 20_000))
        self.suite.wait_log(m="deferred", count=2)
        os.sync()
        self.assertEqual(self.mount("-o", "remount,abort").returncode, 0)  # as after an I/O error
        self.suite.allow_error("transaction failed|message not queued|Read-only|Input/output|Structure needs")
        self.suite.allow_error("left|cannot be")
        self.assertEqual(self.smtp("refused", 20_000), 452)
        self.check_refusals(1000)
        self.assertEqual(len(self.suite.qmctl("queue", "list")), 2)
        self.assertEqual({one["restarts"] for one in self.suite.qmctl("status")["processes"]}, {0})
        self.suite.kill()
        subprocess.run(["umount", str(self.disk)], check=True)
        subprocess.run(["e2fsck", "-fy", str(image)], capture_output=True)
        self.assertEqual(self.mount("-o", "loop", str(image)).returncode, 0)
        self.suite.start()
        self.assertIsNone(self.smtp("three", 20_000))
        self.deliver_all([*taken, "three"])
        self.suite.stop()

    # ---- memory for messages

    def hold(self, octets):
        """A message of at least so many octets that never ends, all of it in smtpd's memory; returns its connection."""
        before = self.held()
        smtp = client.connect(self.us.v4, 25)
        self.addCleanup(smtp.close)
        self.assertEqual([smtp.mail("b@example.net")[0], smtp.rcpt("ann@us.test")[0], smtp.docmd("DATA")[0]], [250, 250, 354])
        smtp.send(client.message("ann@us.test", "holds", size=octets))
        wait.until(lambda: self.held() >= before + octets, what=f"{octets} octets to be held beside {before}")
        return smtp

    def held(self):
        """Octets of messages in smtpd's memory."""
        text = api.Api(self.us.v4, 8080).get("/metrics").text
        return sum(int(line.split()[-1]) for line in text.splitlines() if line.startswith("quartermaster_smtpd_message_octets"))

    def mail_takes(self):
        """Seconds until MAIL is answered, with 250."""
        with client.connect(self.us.v4, 25) as smtp:
            began = time.monotonic()
            self.assertEqual(smtp.mail("b@example.net")[0], 250)
            return time.monotonic() - began

    def test_short_of_memory_mail_is_slowed_down_and_then_refused_until_there_is_some(self):
        self.start("slow-down 2s", LITTLE_MEMORY)
        short, enough = "memory gets short: new mail is slowed down", "memory enough again"
        inbox = mailbox.Maildir(self.disk / "mail/ann")
        holding = [self.hold(300_000) for _ in range(3)]
        self.assertLess(self.mail_takes(), 0.5)
        self.assertEqual(self.suite.find_log(m=short), [])
        holding += [self.hold(300_000) for _ in range(2)]  # 1.5 of 2.1 million: two fifths of the delay
        some = self.mail_takes()
        self.assertGreater(some, 0.7)
        self.suite.wait_log(m=short)
        holding.append(self.hold(450_000))
        most = self.mail_takes()
        self.assertGreater(most, some + 0.5)
        self.assertLess(most, 3)
        client.send(self.us.v4, 25, "b@example.net", ["ann@us.test"], client.message("ann@us.test", "small"))
        inbox.wait(1)
        with client.connect(self.us.v4, 25) as smtp:
            self.assertEqual(smtp.mail("b@example.net", ["size=200000"])[0], 452)
            self.assertEqual(smtp.mail("b@example.net")[0], 250)  # who does not say how large it is is told at its end
            self.assertEqual(smtp.rcpt("ann@us.test")[0], 250)
            self.assertEqual(smtp.data(client.message("ann@us.test", "large", size=200_000))[0], 452)
        for smtp in holding:
            smtp.close()
        wait.until(lambda: self.held() == 0, what="the memory of those who went")
        self.assertLess(self.mail_takes(), 0.5)
        client.send(self.us.v4, 25, "b@example.net", ["ann@us.test"], client.message("ann@us.test", "large", size=900_000))
        inbox.wait(2)
        self.assertEqual([len(self.suite.find_log(m=text)) for text in (short, enough)], [1, 1])
        self.assertEqual({one["restarts"] for one in self.suite.qmctl("status")["processes"]}, {0})
        self.suite.stop()

    # ---- others

    def test_without_a_name_server_mail_waits_and_the_rest_goes_on(self):
        zone = dnszone.Zone("example.net").mx("@", 10, "mx").address("mx", "192.0.2.2")
        zone.address("app", "192.0.2.3")
        dns = dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), [zone]).start()
        self.lan.resolve_through(dns.host)
        self.start(more='dns { timeout 500ms  tries 1 }')
        dns.host.unplug()
        for number in range(3):
            self.assertIsNone(self.smtp(f"waits-{number}", 1000))
        self.suite.wait_log(m="deferred", count=3)
        client.send(self.us.v4, 25, "b@example.net", ["ann@us.test"], client.message("ann@us.test", "local"))
        mailbox.Maildir(self.disk / "mail/ann").wait(1)
        dns.host.plug()
        self.deliver_all([f"waits-{number}" for number in range(3)])
        self.suite.stop()

    def test_an_application_that_hangs_delays_no_mail(self):
        hooks = httpsink.HttpSink(self.lan.host("app", 3), 80)
        self.addCleanup(hooks.close)
        hook = f'webhook outgoing {{ url "{hooks.url}/hook"  events delivered }}'
        self.suite_config = CONFIG.replace("ann@us.test }", f"ann@us.test {hook} }}")
        self.suite = suite.Suite(self.suite_config % ("", "route { transport sink }\nwebhooks { allow-private yes }"),
                                 host=self.us, places=PLACES)
        (self.disk / "credentials").write_text(api.credentials({"ann": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        hooks.always(httpsink.Answer(200, delay=30))
        tokens = [f"told-{number}" for number in range(10)]
        for token in tokens:
            self.assertIsNone(self.http(token, 100))
        wait.until(lambda: self.subjects() == tokens, what="all the mail")
        self.assertEqual(self.suite.qmctl("status")["queue"]["webhooks"], 10)
        self.suite.stop(timeout=10)
        hooks.always(200)
        self.suite.start()
        wait.until(lambda: self.suite.qmctl("hook", "list") == [], what="every webhook to be delivered")
        self.assertEqual({json.loads(one.body)["Subject"] for one in hooks.requests}, set(tokens))
        self.suite.stop()


if __name__ == "__main__":
    case.main()
