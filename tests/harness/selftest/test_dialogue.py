"""The dialogue runner: what it accepts, and that each kind of step can fail."""

import contextlib
import io
import pathlib
import ssl
import tempfile
import unittest

from harness import certs, dialogue, smtpsink


class Dialogues(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.sink = self.enterContext(smtpsink.SmtpSink(extensions=["SIZE 1000", "PIPELINING"]))

    def run_text(self, text):
        """Runs a dialogue against the sink; returns what it printed."""
        path = self.folder / "01-test.txt"
        path.write_text(text)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            dialogue.run_against(path, self.sink.address, self.sink.port)
        return printed.getvalue()

    def fails(self, text, *words):
        with self.assertRaises(dialogue.Mismatch) as caught:
            self.run_text(text)
        for word in words:
            self.assertIn(word, str(caught.exception))

    def test_a_whole_transaction_passes(self):
        printed = self.run_text("# a comment\n"
                                "S: 220 sink.test ESMTP\nC: EHLO c\nS: 250 *\nS has: SIZE *\nS has: /^PIPE/\n"
                                "S lacks: STARTTLS\nS lines: 3\n"
                                "C raw: MAIL FROM:<a@a>\\r\\nRCPT TO:<b@b>\\r\\nDATA\\r\\n\n"
                                "S: 250\nS: 2xx 2.1.5 ?k\nS: 354 go ahead\n"
                                "C repeat 100: \\x61b\nC raw: \\r\\n\nC: .\nS: 250 *queued as SINK\n"
                                "nothing 0.05\nC: QUIT\nS: 221 *\nwait-close\n")
        self.assertEqual(self.sink.mails[0].data, b"ab" * 100 + b"\r\n")
        self.assertIn("C: EHLO c", printed)
        self.assertIn("S: 250-sink.test", printed)

    def test_each_wrong_expectation_is_told_with_line_and_both_sides(self):
        for text, *words in (
                ("S: 221", "01-test.txt:1", "expected: S: 221", "got: 220 sink.test ESMTP"),
                ("S: 220 other", "got: 220 sink.test ESMTP"),
                ("S: 220\nC: EHLO c\nS: 250\nS has: CHUNKING", "01-test.txt:4", "only sink.test | SIZE 1000"),
                ("S: 220\nC: EHLO c\nS: 250\nS lacks: SIZE*", "got: SIZE 1000"),
                ("S: 220\nC: EHLO c\nS: 250\nS lines: 2", "3 lines"),
                ("timeout 0.1\nS: 220\nS: 250", "nothing within 0.1 s"),
                ("S: 220\nC: QUIT\nS: 221\nS: 250", "closed the connection"),
                ("S: 220\ntimeout 0.1\nwait-close", "still open"),
                ("S: 220\nC: NOOP\nwait-close", "250 2.0.0 Ok"),
                ("nothing 0.3", "220 sink.test"),
                ("use other", "no connection of that name"),
                ("S: 220\nC: STARTTLS\nS: 220\ntls", "expected: tls"),
                ("log: m=x", "not the suite")):
            with self.subTest(text=text):
                self.fails(text, *words)

    def test_a_malformed_reply_fails_whatever_is_expected(self):
        for reply, word in (("250-a\n251 b", "several codes"), ("250_a", "well-formed"), ("2500 a", "well-formed"),
                            ("250 " + "x" * 600, "more than 512"), ("150 a", "well-formed")):
            with self.subTest(reply=reply):
                self.sink.script("NOOP", reply)
                self.fails("S: 220\nC: NOOP\nS: xxx *", word)

    def test_two_connections_are_told_apart(self):
        self.run_text("S: 220 *\nconnect smtp as two\nS: 220 *\nC: NOOP\nS: 250 *\nuse smtp\nC: QUIT\nS: 221 *\n"
                      "use two\nC: RSET\nS: 250 *\n")
        first, second = self.sink.sessions
        self.assertEqual((first.lines, second.lines), (["QUIT"], ["NOOP", "RSET"]))

    def test_passwords_are_put_into_their_mechanisms(self):
        self.sink.script("AUTH", "235 ok", "334 VXNlcm5hbWU6", "334 PDFAYT4=")
        self.sink.script("OTHER", "334 UGFzc3dvcmQ6", "235 ok", "235 ok")
        self.run_text("S: 220 *\nauth plain me secret word\nS: 235\nauth login me secret word\nS: 235\n"
                      "auth cram-md5 me secret\nS: 235\n")
        lines = self.sink.sessions[0].lines
        self.assertEqual(lines[0], "AUTH PLAIN AG1lAHNlY3JldCB3b3Jk")
        self.assertEqual(lines[1:4], ["AUTH LOGIN", "bWU=", "c2VjcmV0IHdvcmQ="])
        self.assertEqual(lines[4], "AUTH CRAM-MD5")

    def test_it_shakes_hands_after_starttls_and_refuses_octets_before(self):
        cert, key = certs.Authority(self.folder).issue("mx", "sink.test")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.sink = self.enterContext(smtpsink.SmtpSink(extensions=["STARTTLS"], tls=context))
        printed = self.run_text("S: 220\nstarttls\nC: EHLO c\nS: 250 *\nnothing 0.05\nC: QUIT\nS: 221\n")
        self.assertIn("(TLSv1.", printed)
        self.sink.script("STARTTLS", "220 go\n250 injected")
        self.fails("S: 220\nstarttls\n", "octets before the handshake")

    def test_a_wrong_script_is_refused_with_its_line(self):
        for text in ("S: 220\nC EHLO\n", "S 220\n", "S: 220\nwith: localserve\n", "connect\n", "# nothing\n"):
            with self.subTest(text=text), self.assertRaisesRegex(dialogue.BadScript, "01-test.txt"):
                self.run_text(text)

    def test_the_head_chooses_the_configuration(self):
        path = self.folder / "02-head.txt"
        path.write_text("config: a 1\nS: 220\n")
        self.assertIsNone(dialogue.Script(path).configuration())
        self.assertEqual(dialogue.Script(path).more(), "a 1\n")
        (self.folder / "default.conf").write_text("base\n")
        self.assertEqual(dialogue.Script(path).configuration(), "base\na 1\n")
        path.write_text("with: localserve\nS: 220\n")
        self.assertIsNone(dialogue.Script(path).configuration())


if __name__ == "__main__":
    unittest.main(verbosity=2)
