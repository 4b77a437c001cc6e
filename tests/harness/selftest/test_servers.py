"""The scripted SMTP and HTTP servers, used as honest clients use them."""

import contextlib
import http.client
import json
import smtplib
import socket
import time
import unittest

from harness import httpsink, smtpsink


def client(sink):
    return smtplib.SMTP(sink.address, sink.port, local_hostname="c.test", timeout=10)


class Smtp(unittest.TestCase):
    def sink(self, **options):
        return self.enterContext(smtpsink.SmtpSink(**options))

    def test_takes_a_message_and_undoes_dots(self):
        sink = self.sink()
        with client(sink) as smtp:
            smtp.sendmail("a@a.test", ["b@b.test", "c@b.test"], "Subject: x\r\n\r\n.dot\r\n..\r\nend\r\n")
        mail, = sink.wait()
        self.assertEqual(mail.data, b"Subject: x\r\n\r\n.dot\r\n..\r\nend\r\n")
        self.assertEqual(mail.recipients, ["<b@b.test>", "<c@b.test>"])
        self.assertTrue(mail.sender.startswith("<a@a.test>"))
        self.assertTrue(mail.accepted)

    def test_a_bare_line_feed_and_dot_ends_nothing(self):
        sink = self.sink()
        with client(sink) as smtp:
            smtp.ehlo()
            for command in ("MAIL FROM:<a@a.test>", "RCPT TO:<b@b.test>", "DATA"):
                smtp.docmd(command)
            smtp.sock.sendall(b"x\n.\ny\n.\r\nz\r\n.\r\n")
            self.assertEqual(smtp.getreply()[0], 250)
        self.assertEqual(sink.mails[0].data, b"x\n.\ny\n.\r\nz\r\n")

    def test_replies_come_in_the_order_of_the_script_and_the_last_stays(self):
        sink = self.sink(script={"RCPT": ["452 4.5.3 too many", "550 5.1.1 no", "250 fine"]})
        with client(sink) as smtp:
            smtp.ehlo()
            smtp.mail("a@a.test")
            self.assertEqual([smtp.rcpt("b@b.test")[0] for _ in range(4)], [452, 550, 250, 250])

    def test_it_drops_the_connection_where_it_is_told_to(self):
        for step, fault in (("DATA-END", {"drop": True}), ("DATA-END", {"reset": True}),
                            ("CONNECT", {"drop": True}), ("MAIL", {"text": "250 ok", "drop": True})):
            with self.subTest(step=step, fault=fault):
                sink = self.sink()
                sink.script(step, **fault)
                with self.assertRaises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
                    client(sink).sendmail("a@a.test", ["b@b.test"], "x\r\n")
                sink.wait_sessions(ended=True)

    def test_a_delay_is_kept_and_a_slow_reply_comes_whole(self):
        sink = self.sink()
        sink.script("NOOP", text="250 slow", delay=0.3, trickle=4)
        with client(sink) as smtp:
            began = time.monotonic()
            self.assertEqual(smtp.noop(), (250, b"slow"))
            self.assertGreater(time.monotonic() - began, 0.5)

    def test_chunks_make_one_message(self):
        sink = self.sink(extensions=["CHUNKING"])
        with client(sink) as smtp:
            smtp.ehlo()
            self.assertTrue(smtp.has_extn("chunking"))
            smtp.docmd("MAIL FROM:<a@a.test>")
            smtp.docmd("RCPT TO:<b@b.test>")
            smtp.send(b"BDAT 3\r\nab\n")
            self.assertEqual(smtp.getreply()[0], 250)
            smtp.send(b"BDAT 2 LAST\r\n.\n")
            self.assertEqual(smtp.getreply()[0], 250)
        self.assertEqual(sink.mails[0].data, b"ab\n.\n")

    def test_pipelined_commands_are_all_answered(self):
        sink = self.sink()
        with socket.create_connection((sink.address, sink.port), timeout=10) as sock:
            sock.sendall(b"EHLO c\r\nMAIL FROM:<a@a>\r\nRCPT TO:<b@b>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n")
            got = b""
            while more := sock.recv(4096):
                got += more
        self.assertTrue(got.endswith(b"221 2.0.0 Bye\r\n"), got)
        self.assertEqual(len(sink.mails), 1)


class Http(unittest.TestCase):
    def request(self, sink, body=b'{"a": 1}', method="POST", headers=None):
        connection = http.client.HTTPConnection(sink.address, sink.port, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, "/hook?x=1", body, headers or {"Authorization": "Bearer t"},
                               encode_chunked=not isinstance(body, bytes))
            response = connection.getresponse()
            return response.status, response.read()

    def test_keeps_requests_and_answers_in_order(self):
        with httpsink.HttpSink() as sink:
            sink.answer(503, httpsink.Answer(429, "wait", {"Retry-After": "7"}))
            sink.always(204)
            self.assertEqual([self.request(sink)[0] for _ in range(4)], [503, 429, 204, 204])
            first = sink.wait(4)[0]
            self.assertEqual((first.method, first.path, first.json()), ("POST", "/hook?x=1", {"a": 1}))
            self.assertEqual(first.headers["authorization"], "Bearer t")

    def test_drops_and_delays(self):
        with httpsink.HttpSink() as sink:
            sink.answer(httpsink.Answer(drop=True), httpsink.Answer(200, "late", delay=0.3))
            with self.assertRaises(http.client.RemoteDisconnected):
                self.request(sink)
            began = time.monotonic()
            self.assertEqual(self.request(sink), (200, b"late"))
            self.assertGreater(time.monotonic() - began, 0.25)

    def test_reads_a_body_in_chunks(self):
        with httpsink.HttpSink() as sink:
            self.request(sink, iter([b'{"b":', b" 2}"]), headers={"Transfer-Encoding": "chunked"})
            self.assertEqual(json.loads(sink.wait()[0].body), {"b": 2})


if __name__ == "__main__":
    unittest.main(verbosity=2)
