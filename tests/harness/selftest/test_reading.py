"""logfmt, ports, mailbox, dnszone: what needs no network of its own."""

import os
import pathlib
import socket
import tempfile
import unittest

from harness import dnszone, logfmt, mailbox, ports, wait


class Logfmt(unittest.TestCase):
    def test_reads_what_the_suite_writes(self):
        for line, key, value in (
                ('l=info p=qmgr m="delivered" rcpt=a@b.example n=-3', "rcpt", "a@b.example"),
                ('l=info p=qmgr m="x" v="a\\nl=error\\r\\x1b[2J \\"q\\""', "v", 'a\nl=error\r\x1b[2J "q"'),
                ('l=info p=qmgr m="x" v="\\x00\\xff"', "v", "\0\udcff"),
                ('l=info p=qmgr m="x" v="\xe9"', "v", "\xe9"),
                ('l=info p=qmgr m="x" v=""', "v", ""),
                ('l=info p=smtpd/0 m="x" v=aaa...', "v", "aaa..."),
                ('l=info p=smtpd/0 m="x" v="a a"...', "v", "a a..."),
                ('l=info p=q m="one two" c="\xe9\\x00"', "c", "\xe9\0")):
            with self.subTest(line=line):
                self.assertEqual(logfmt.parse(line)[key], value)

    def test_refuses_everything_else(self):
        for line in ("", "hello", "==12==ERROR: AddressSanitizer: x", 'p=q l=info m="x"', "l=info p=q",
                     'l=info p=q m="x', 'l=info p=q m="x"y=1', 'l=info  p=q m="x"'):
            with self.subTest(line=line):
                self.assertIsNone(logfmt.parse(line))

    def test_matches_compares_as_text(self):
        entry = logfmt.parse('l=info p=q m="x" n=3')
        self.assertTrue(logfmt.matches(entry, {"n": 3, "m": "x"}))
        self.assertFalse(logfmt.matches(entry, {"n": 3, "m": "y"}))
        self.assertFalse(logfmt.matches(entry, {"k": "x"}))


class Ports(unittest.TestCase):
    def test_another_process_gets_other_ports(self):
        mine, = ports.take()
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            taken = ports._lock(mine)
            os.write(write, b"n" if taken is None else b"y")
            os._exit(0)
        os.waitpid(child, 0)
        self.assertEqual(os.read(read, 1), b"n")
        ports.give_back([mine])

    def test_a_port_in_use_is_passed_over(self):
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            sock.listen()
            self.assertFalse(ports._is_free(sock.getsockname()[1]))

    def test_an_offset_frees_a_whole_row(self):
        offset = ports.take_offset([25, 587])
        self.assertIn(offset + 25, ports._held)
        self.assertIn(offset + 587, ports._held)
        ports.give_back([offset + 25, offset + 587])


class Waiting(unittest.TestCase):
    def test_says_what_was_waited_for(self):
        with self.assertRaisesRegex(TimeoutError, "the moon"):
            wait.until(lambda: False, 0.05, "the moon")
        self.assertEqual(wait.until(lambda: 7, 0.05), 7)


class MaildirReading(unittest.TestCase):
    def test_shows_new_and_cur_but_not_tmp(self):
        with tempfile.TemporaryDirectory() as folder:
            box = mailbox.Maildir(folder)
            self.assertEqual(box.files(), [])
            for part, name in (("new", "1"), ("cur", "2:2,S"), ("tmp", "3")):
                path = pathlib.Path(folder) / part
                path.mkdir()
                (path / name).write_bytes(b"Subject: " + name.encode() + b"\n\nx\n")
            self.assertEqual([message["Subject"] for message in box.wait(2)], ["1", "2:2,S"])
            self.assertEqual(len(box.staged()), 1)
            box.empty()
            with self.assertRaises(TimeoutError):
                box.wait(1, timeout=0.05)


class Zones(unittest.TestCase):
    def test_text_is_cut_into_strings_and_escaped(self):
        zone = dnszone.Zone("example.net.").txt("@", 'a"b\\' + "x" * 255)
        self.assertIn('@ TXT "a\\034b\\092' + "x" * 251 + '" "xxxx"', zone.text())

    def test_addresses_choose_their_type(self):
        text = dnszone.Zone("z.test").address("mx", "192.0.2.1", "2001:db8::1").text()
        self.assertIn("mx A 192.0.2.1\n", text)
        self.assertIn("mx AAAA 2001:db8::1\n", text)

    def test_a_record_can_be_dropped(self):
        zone = dnszone.Zone("z.test").address("mx", "192.0.2.1", "2001:db8::1").drop("mx", "AAAA")
        self.assertEqual(zone.records, [("mx", "A", "192.0.2.1")])

    def test_reverse_zones_have_their_names(self):
        self.assertEqual(dnszone.reverse_zone().name, "2.0.192.in-addr.arpa")
        self.assertEqual(dnszone.reverse_zone("2001:db8::/64").name, "0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa")


if __name__ == "__main__":
    unittest.main(verbosity=2)
