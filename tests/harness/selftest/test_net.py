"""Hosts and sandbox: apart from each other, apart from this machine, gone afterwards."""

import os
import pathlib
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import textwrap
import unittest

from harness import capture, case, certs, net, sandbox, smtpsink, suite, wait


class Hosts(case.LanCase):
    def test_a_host_has_its_own_files_and_users(self):
        host, other = self.lan.host("one"), self.lan.host("two")
        host.write("/etc/quartermaster/x", "hello\n")
        host.add_user("qm-someone", 31999, home="/home/someone")
        host.add_group("qm-group", 31998)
        host.add_user("qm-other", 31997, groups=["qm-group"])
        self.assertEqual(host.run(["cat", "/etc/quartermaster/x"]).stdout, "hello\n")
        self.assertEqual(host.run(["id", "-nG", "qm-other"]).stdout.split(), ["qm-other", "qm-group"])
        self.assertEqual(host.run(["id", "-u"], user="qm-someone").stdout, "31999\n")
        host.run(["sh", "-c", "cd ~qm-someone && touch here"], user="qm-someone")
        host.run(["touch", "/usr/bin/planted", "/var/lib/planted", "/tmp/planted", "/run/planted"])
        for place in ("/etc/quartermaster/x", "/usr/bin/planted", "/var/lib/planted", "/tmp/planted"):
            self.assertFalse(pathlib.Path(place).exists(), place)
            self.assertFalse(other.path(place).exists(), place)
        self.assertNotIn("qm-someone", pathlib.Path("/etc/passwd").read_text())

    def test_the_source_tree_is_seen_and_cannot_be_written(self):
        host = self.lan.host("one")
        host.run(["test", "-f", sandbox.SOURCE / "CMakeLists.txt"])
        with self.assertRaisesRegex(net.CommandFailed, "Read-only"):
            host.run(["touch", sandbox.SOURCE / "planted"])

    def test_a_var_on_disk_is_kept_for_a_look(self):
        host = self.lan.host("one", disk=True)
        host.run(["sh", "-c", "echo x > /var/lib/kept"])
        self.assertEqual((host.work / "var/lib/kept").read_text(), "x\n")

    def test_hosts_reach_each_other_over_both_families_and_more_addresses(self):
        host = self.lan.host("one", more=["192.0.2.77/24", "2001:db8::77/64"])
        client = self.lan.host("two")
        sink = smtpsink.SmtpSink(host, port=25, address="::")
        self.addCleanup(sink.close)
        sink4 = smtpsink.SmtpSink(host, port=26, address="0.0.0.0")
        self.addCleanup(sink4.close)
        for address, port in ((host.v6, 25), ("2001:db8::77", 25), (host.v4, 26), ("192.0.2.77", 26)):
            with client.inside():
                connection = socket.create_connection((address, port), timeout=5)
            with connection:
                connection.recv(100)
        self.assertEqual({session.peer for session in sink.sessions + sink4.sessions}, {client.v4, client.v6})

    def test_names_come_from_the_resolver_that_was_set(self):
        host = self.lan.host("one")
        host.resolver("192.0.2.53")
        self.assertIn("nameserver 192.0.2.53", host.run(["cat", "/etc/resolv.conf"]).stdout)

    def test_what_runs_on_a_host_is_listed_and_ends_with_it(self):
        host = self.lan.host("one")
        host.start(["sh", "-c", "trap '' TERM; echo up; while :; do sleep 5; done"], "stubborn")
        wait.until(lambda: "up" in (host.work / "stubborn.log").read_text())
        self.assertIn("trap", " ".join(host.processes().values()))
        host.close()
        self.lan.hosts.clear()
        self.assertEqual([line for line in sandbox.processes().values() if "trap" in line], [])

    def test_a_command_that_fails_tells_what_it_said(self):
        host = self.lan.host("one")
        with self.assertRaisesRegex(net.CommandFailed, "(?s)ended with 7.*words"):
            host.run(["sh", "-c", "echo words >&2; exit 7"])
        self.assertEqual(host.run(["false"], check=False).returncode, 1)

    def test_a_program_that_ends_instead_of_listening_is_told_at_once(self):
        host = self.lan.host("one")
        process = host.start(["sh", "-c", "echo no such thing; exit 3"], "gone")
        with self.assertRaisesRegex(net.CommandFailed, "(?s)ended with 3.*no such thing"):
            host.listens(25, alive=process)

    def test_the_capture_has_every_octet_and_tls_hides_them(self):
        host = self.lan.host("one")
        cert, key = certs.Authority(host.work / "ca").issue("mx", "one.test")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        sink = self.enterContext(smtpsink.SmtpSink(host, 25, extensions=["STARTTLS"], tls=context))
        trusting = ssl.create_default_context(cafile=host.work / "ca" / "ca.pem")
        trusting.check_hostname = False
        for secure in (False, True):
            with capture.Capture() as link:
                with smtplib.SMTP(sink.address, 25, timeout=10) as client:
                    if secure:
                        client.starttls(context=trusting)
                    client.sendmail("a@a.test", ["b@b.test"], "x" * 200000 + "\r\n")
            sent, answered = link.stream(to_port=25), link.stream(from_port=25)
            self.assertEqual(b"mail FROM:<a@a.test>" in sent, not secure)
            self.assertEqual(sent.count(b"x" * 200000), 0 if secure else 1)
            self.assertIn(b"220 sink.test ESMTP\r\n", answered)
            self.assertEqual(link.connections(to_port=25), 1)


class SuiteOnAHost(case.LanCase):
    """With the stand-in of test_suite.py for the suite."""

    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us")
        self.program = self.us.work / "quartermaster"
        source = pathlib.Path(__file__).resolve().parent / "standin.c"
        subprocess.run(["cc", "-D_GNU_SOURCE", "-o", self.program, source], check=True)

    def test_it_runs_there_as_root_with_its_users_and_is_followed_to_its_end(self):
        with suite.Suite("x", host=self.us, program=self.program) as here:
            self.assertEqual(here.wait_log(m="up")["uid"], "0")
            self.assertEqual(len(here.processes()), 2)
            self.assertEqual(set(here.processes()), set(self.us.processes()))
            self.assertEqual(self.us.uid("qm-queue"), 31101)
        self.assertEqual(self.us.processes(), {})

    def test_what_it_leaves_is_told(self):
        here = suite.Suite("x", host=self.us, program=self.program, env={"STANDIN": "orphan"}).start()
        with self.assertRaisesRegex(suite.SuiteError, "left processes behind"):
            here.stop()

    def test_a_crash_ends_all_of_it(self):
        here = suite.Suite("x", host=self.us, program=self.program).start()
        here.kill()
        self.assertEqual(self.us.processes(), {})
        here.start()
        here.stop()


class Authorities(case.LanCase):
    def test_the_tlsa_record_is_what_openssl_reckons(self):
        folder = sandbox.new_folder("tlsa")
        cert, _ = certs.Authority(folder).issue("mx", "mx.test", start="20200101000000Z", end="20200201000000Z")
        shown = subprocess.run(["openssl", "x509", "-in", cert, "-noout", "-enddate"], capture_output=True, text=True)
        self.assertIn("Feb  1 00:00:00 2020", shown.stdout)
        der = subprocess.run(["openssl", "x509", "-in", cert, "-outform", "DER"], capture_output=True, check=True)
        digest = subprocess.run(["openssl", "dgst", "-sha256", "-r"], input=der.stdout, capture_output=True)
        self.assertEqual(certs.tlsa(cert, 2, 0), f"2 0 1 {digest.stdout.split()[0].decode()}")


_STAYS = textwrap.dedent("""
    import sys
    from harness import net, sandbox
    sandbox.enter("harness.stays")
    lan = net.Net()
    host = lan.host("stays")
    host.start(["sh", "-c", "exec sleep 987654"], "sleeper")
    print("up", flush=True)
    sys.stdin.read()
""")


class Sandboxes(unittest.TestCase):
    def start(self, text, **options):
        return subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                text=True, **options)

    def sleepers(self):
        return [line for line in sandbox.processes().values() if line == "sleep 987654"]

    def test_a_killed_test_leaves_nothing(self):
        process = self.start(_STAYS)
        self.assertEqual(process.stdout.readline(), "up\n")
        wait.until(self.sleepers, what="the program on the host")
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdin.close()
        process.stdout.close()
        wait.until(lambda: not self.sleepers(), what="the end of the sandbox")
        self.assertEqual(os.listdir("/run/netns"), [])
        self.assertNotIn("stays", pathlib.Path("/proc/self/mountinfo").read_text())

    def test_two_at_once_do_not_see_each_other(self):
        pair = [self.start(_STAYS.replace("harness.stays", f"harness.stays{n}")) for n in (1, 2)]
        for process in pair:
            self.assertEqual(process.stdout.readline(), "up\n")
        for process in pair:
            process.communicate("")
            self.assertEqual(process.returncode, 0)

    def test_without_root_it_fails_loudly_or_is_skipped_on_request(self):
        text = "import sys; sys.path.insert(0, '/run/tests'); from harness import sandbox; sandbox.enter('x')"
        os.makedirs("/run/tests", exist_ok=True)
        subprocess.run(["mount", "--bind", sandbox.SOURCE / "tests", "/run/tests"], check=True)
        self.addCleanup(subprocess.run, ["umount", "/run/tests"], check=True)
        for allowed, code, words in (("0", 1, "cannot run: needs root"), ("1", sandbox.SKIPPED, "skipped: cannot run")):
            process = subprocess.run(["/usr/bin/python3", "-B", "-c", text], user=65534, group=65534, extra_groups=[],
                                     env={"QM_ALLOW_NO_ROOT": allowed}, capture_output=True, text=True, cwd="/")
            self.assertEqual(process.returncode, code, process.stderr)
            self.assertIn(words, process.stdout)


if __name__ == "__main__":
    case.main()
