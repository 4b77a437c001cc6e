"""master keeps the suite up: kills, back-off, reloads under load, the end, and what a service manager hears."""

import contextlib
import ctypes
import json
import os
import signal
import smtplib
import socket
import threading
import time
import uuid

from harness import api, case, certs, client, httpsink, mailbox, smtpsink, suite, wait

CONFIG = """
hostname mx.us.test
listen public { address 192.0.2.1  smtp 25 }
listen api { address 192.0.2.1  http 80  webapi yes }
%s
domain us.test { }
account ann { address ann@us.test }
"""


SYS_PIDFD_GETFD = 438
LINKS = 14  # pairs that master makes for this suite, but those to itself
LINKED = """
hostname mx.us.test
listen public {
    address 192.0.2.1  smtp 25  submission 587  http 80  webapi yes
    certificate-file "tls.pem"  key-file "tls.key"
}
workers { smtpd 1 }
webhooks { allow-private yes }
domain us.test { }
account ann { address ann@us.test  webhook outgoing { url http://192.0.2.2/hook } }
"""


def borrowed_links(pid):
    """Our own descriptors of a process's links: of its connected SEQPACKET sockets but that to master."""
    libc, links = ctypes.CDLL(None, use_errno=True), []
    words = open(f"/proc/{pid}/cmdline", encoding="ascii").read().split("\0")
    control = next(int(word.partition("=")[2]) for word in words if word.startswith("--control="))
    process = os.pidfd_open(pid)
    for fd in map(int, os.listdir(f"/proc/{pid}/fd")):
        if fd in (0, 1, 2, control) or not os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:"):
            continue
        got = libc.syscall(SYS_PIDFD_GETFD, process, fd, 0)
        if got < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        one = socket.socket(fileno=got)
        if (one.family, one.type) == (socket.AF_UNIX, socket.SOCK_SEQPACKET) and not one.getsockopt(
                socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            links.append(one)
        else:
            one.close()
    os.close(process)
    return links


class Supervision(case.LanCase):
    def start(self, more=""):
        self.us = self.lan.host("us", 1)
        self.suite = suite.Suite(CONFIG % more, host=self.us)
        self.suite.start()
        self.addCleanup(self.end)
        return self.suite

    def end(self):
        if self.suite.process is not None:
            self.suite.kill()

    def inbox(self):
        return mailbox.Maildir(self.suite.folder / "state/mail/ann")

    def processes(self):
        """name -> what qmctl status says of it, also while qmgr is away (exit 69)."""
        done = self.suite.qmctl("status", check=False)
        self.assertTrue(done.stdout, done)
        return {one["name"]: one for one in json.loads(done.stdout)["processes"]}

    def mail_passes(self):
        token = uuid.uuid4().hex
        client.send(self.us.v4, 25, "b@example.net", ["ann@us.test"], client.message("ann@us.test", token))
        wait.until(lambda: any(token.encode() in octets for octets in self.inbox().raw()), what="the mail")

    def up_again(self, name, old):
        """Waits until the process of that name is another one than `old` and up; returns its status."""
        def look():
            new = self.processes()[name]
            return new if new["pid"] not in (0, old["pid"]) and new["state"] == "up" else None
        return wait.until(look, 15, lambda: f"{name} to be up again: {self.processes()[name]}")

    def test_a_killed_process_comes_back_and_the_others_go_on(self):
        self.start()
        self.suite.allow_error("process ended")
        before = self.processes()
        for name, old in before.items():
            with client.connect(self.us.v4, 25) as stays:
                os.kill(old["pid"], signal.SIGKILL)
                if not name.startswith("smtpd/"):
                    self.assertEqual(stays.noop()[0], 250, name)
                new = self.up_again(name, old)
                self.assertEqual(new["restarts"], 1, name)
                if not name.startswith("smtpd/"):
                    self.assertEqual(stays.noop()[0], 250, name)
            self.mail_passes()
        after = self.processes()
        self.assertEqual({name: one["restarts"] for name, one in after.items()},
                         {name: 1 for name in before}, "a kill takes nobody else along")
        self.suite.stop()

    def test_a_process_that_dies_again_and_again_is_started_ever_more_slowly(self):
        self.start()
        self.suite.allow_error("process ended")
        gaps, old = [], self.processes()["hooks"]
        for _ in range(4):
            began = time.monotonic()
            os.kill(old["pid"], signal.SIGKILL)
            old = self.up_again("hooks", old)
            gaps.append(time.monotonic() - began)
        for gap, least in zip(gaps, (0.1, 0.2, 0.4, 0.8)):
            self.assertGreaterEqual(gap, least)
        self.assertEqual(old["restarts"], 4)
        self.suite.stop()

    def test_master_killed_takes_all_with_it_and_the_next_start_finds_the_mail(self):
        self.start()
        self.suite.qmctl("status")
        mine = self.suite.processes()
        os.kill(self.suite.qmctl("status")["pid"], signal.SIGKILL)
        wait.until(lambda: not suite._still_there(mine), what=lambda: f"the end of {suite._still_there(mine)}")
        self.suite.process.wait(10)
        self.suite.forgive()
        self.suite.start()
        self.mail_passes()
        self.suite.stop()

    def test_it_ends_within_ten_seconds_whatever_clients_do(self):
        self.start()
        idle, in_data = client.connect(self.us.v4, 25), client.connect(self.us.v4, 25)
        in_data.mail("b@example.net")
        in_data.rcpt("ann@us.test")
        self.assertEqual(in_data.docmd("DATA")[0], 354)
        in_data.send(b"Subject: half of a message\r\n\r\n")
        self.suite.stop(timeout=10)
        for one in (idle, in_data):
            with contextlib.suppress(OSError, smtplib.SMTPException):
                code, _ = one.getreply()
                self.assertEqual(code, 421)
        self.suite.start()
        self.assertEqual(self.suite.qmctl("status")["queue"]["messages"], 0)
        self.mail_passes()
        self.suite.stop()

    def test_an_orderly_end_is_nothing_to_warn_of_and_the_end_of_a_peer_is(self):
        self.start()
        warned = lambda: [line for line in self.suite.log() if line.get("l") in ("warn", "error")]  # noqa: E731
        for _ in range(3):
            self.mail_passes()
            self.suite.stop()
            self.assertEqual(warned(), [])
            self.suite.start()
        self.suite.allow_error("process ended")
        vault = self.processes()["vault/0"]
        os.kill(vault["pid"], signal.SIGKILL)
        self.up_again("vault/0", vault)
        self.suite.wait_log(p="hooks", m="peer is gone", link="secret")
        before = warned()
        self.suite.stop()
        self.assertEqual(warned(), before)

    def test_reloads_under_load_cost_no_connection(self):
        self.start("smtp { transactions 100000 }")
        stopping, sent, failed = threading.Event(), [], []

        def one_connection_for_all(number):
            with client.connect(self.us.v4, 25) as smtp:
                while not stopping.is_set():
                    self.send_one(smtp, f"{number}-{len(sent)}-{uuid.uuid4().hex}", sent)

        def a_connection_each(number):
            while not stopping.is_set():
                with client.connect(self.us.v4, 25) as smtp:
                    self.send_one(smtp, f"{number}-{len(sent)}-{uuid.uuid4().hex}", sent)

        def guarded(what, number):
            try:
                what(number)
            except Exception as error:  # any at all is what this test is about
                failed.append(repr(error))

        threads = [threading.Thread(target=guarded, args=(what, number)) for number, what in
                   enumerate([one_connection_for_all, a_connection_each] * 2)]
        for thread in threads:
            thread.start()
        for turn in range(5):
            many = len(sent)
            wait.until(lambda: len(sent) >= many + 20 or failed, 30, "the load")
            self.suite.write_config(CONFIG % f"smtp {{ transactions 100000  recipients {500 + turn} }}")
            self.suite.process.send_signal(signal.SIGHUP)
            self.suite.wait_log(m="configuration reloaded", count=turn + 1)
        stopping.set()
        for thread in threads:
            thread.join(30)
        self.assertEqual(failed, [])
        self.inbox().wait(len(sent), timeout=30)
        self.assertEqual(len(self.inbox().files()), len(sent))
        self.assertEqual({one["restarts"] for one in self.processes().values()}, {0})
        self.suite.stop()

    def send_one(self, smtp, token, sent):
        smtp.sendmail("b@example.net", ["ann@us.test"], client.message("ann@us.test", token))
        sent.append(token)

    def test_who_starts_during_a_reload_has_the_new_configuration(self):
        self.start("smtp { message-size 1M }")
        self.suite.allow_error("process ended")
        small, big = (client.message("ann@us.test", "sized", size=size) for size in (1000, 200000))
        for turn in range(4):
            limit = ("100K", "1M")[turn % 2]
            old = self.processes()["qmgr"]
            os.kill(old["pid"], signal.SIGKILL)
            wait.until(lambda: any("qm-qmgr" in line and pid != old["pid"]
                                   for pid, line in self.suite.processes().items()), what="qmgr to start")
            self.suite.write_config(CONFIG % f"smtp {{ message-size {limit} }}")
            self.suite.process.send_signal(signal.SIGHUP)
            self.suite.wait_log(m="configuration reloaded", count=turn + 1)
            self.up_again("qmgr", old)
            client.send(self.us.v4, 25, "b@example.net", ["ann@us.test"], small)
            if limit == "1M":
                client.send(self.us.v4, 25, "b@example.net", ["ann@us.test"], big)
            else:
                with self.assertRaises(smtplib.SMTPException):
                    client.send(self.us.v4, 25, "b@example.net", ["ann@us.test"], big)
        self.suite.stop()

    def test_a_transport_that_a_reload_takes_away_ends_what_it_has_begun(self):
        sink = smtpsink.SmtpSink(self.lan.host("sink", 2), 25)
        self.addCleanup(sink.close)
        sink.script("DATA-END", smtpsink.Reply("250 ok", delay=2))
        away = ('domain far.test { }\naccount far { address *@far.test  mailbox no }\n'
                'transport slow { smtp { host 192.0.2.2  tls none } }\nroute { to far.test  transport slow }\n')
        self.start(away)
        client.send(self.us.v4, 25, "b@example.net", ["x@far.test"], client.message("x@far.test", "slow"))
        sink.wait(1)
        self.suite.write_config(CONFIG % away.replace("slow", "other").replace("192.0.2.2", "192.0.2.99"))
        self.suite.qmctl("reload")
        wait.until(lambda: "delivery/slow" not in self.processes(), what="the end of the process")
        row, = self.suite.qmctl("retired", "list")
        self.assertEqual((row["success"], row["attempts"], row["to"]), (True, 1, "x@far.test"))
        self.assertEqual(len(sink.mails), 1)
        self.assertEqual(self.processes()["delivery/other"]["state"], "up")
        self.suite.stop()

    def everything_works(self, hooks, turn):
        """Mail over each way in, for which every link is needed; then a webhook for one of it."""
        token, text = uuid.uuid4().hex, "ann@us.test"
        client.send(self.us.v4, 25, "b@example.net", [text], client.message(text, token))
        with client.connect(self.us.v4, 587, starttls=True) as smtp:
            smtp.login(text, "secret of ann")
            smtp.sendmail(text, [text], client.message(text, token, sender=text))
        answer = api.Api(self.us.v4, 80, text, "secret of ann").call("Send", {
            "To": [{"Address": text}], "Subject": token, "Text": "x"})
        self.assertEqual(answer.status, 200, answer.text)
        answer = api.Api(self.us.v4, 80, text, "secret of ann").call("SuppressionList", {})
        self.assertEqual(answer.status, 200, answer.text)
        wait.until(lambda: sum(token.encode() in octets for octets in self.inbox().raw()) == 3, 30, "the mail")
        hooks.wait(2 * turn)  # of what ann sent

    def test_a_link_that_breaks_is_made_anew_without_a_restart(self):
        self.us = self.lan.host("us", 1)
        hooks = httpsink.HttpSink(self.lan.host("hooks", 2), 80)
        self.addCleanup(hooks.close)
        self.suite = suite.Suite(LINKED, host=self.us)
        cert, key = certs.Authority(self.suite.folder / "ca").issue("mx", "mx.us.test")
        self.suite.add_file("tls.pem", cert.read_text())
        self.suite.add_file("tls.key", key.read_text())
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret of ann"}))
        self.suite.start()
        self.addCleanup(self.end)
        self.suite.allow_error("channel broken")
        before, made = self.processes(), 0
        self.everything_works(hooks, 1 + made // LINKS)
        for broken in (lambda link: link.shutdown(socket.SHUT_RDWR),
                       lambda link: link.send(b"what no process says")):
            links = [link for name in ("smtpd/0", "webapi/0", "hooks") for link in borrowed_links(before[name]["pid"])]
            self.assertEqual(len(links), 11)
            links += borrowed_links(before["qmgr"]["pid"])
            for link in links:
                with contextlib.suppress(OSError):
                    broken(link)
                link.close()
            made += LINKS
            self.suite.wait_log(m="a link that broke was made anew", count=made)
            self.everything_works(hooks, 1 + made // LINKS)
        self.assertEqual({name: (one["pid"], one["restarts"]) for name, one in self.processes().items()},
                         {name: (one["pid"], 0) for name, one in before.items()})
        self.assertEqual(len(self.suite.find_log(m="a link that broke was made anew")), made)
        self.suite.stop()

    def test_the_service_manager_hears_of_every_step_in_order(self):
        self.start()
        self.suite.qmctl("reload")
        self.suite.write_config("hostname mx.us.test\nlisten public { nonsense }\n")
        self.suite.allow_error("")
        self.assertEqual(self.suite.qmctl("reload", check=False).returncode, 78)
        self.suite.stop()
        heard = [notice[0] for notice in self.suite.notices()]
        self.assertEqual(heard, ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"])
        reloading = self.suite.notices()[1]
        self.assertRegex(reloading[1], r"^MONOTONIC_USEC=\d+$")


if __name__ == "__main__":
    case.main()
