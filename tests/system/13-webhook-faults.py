"""Webhooks of endpoints that do all they can do wrong, of mail that comes in, and an operator's hand on them."""

import base64
import datetime
import email.utils
import hmac
import json
import os
import pathlib
import signal
import smtplib
import ssl
import tempfile
import time

from harness import api, case, certs, dnszone, httpsink, mailbox, smtpsink, suite, wait

CONFIG = """
hostname mx.us.test
test-clock yes
listen api {{ address 192.0.2.1  http 80  webapi yes  metrics yes  smtp 25 }}
domain us.test {{ }}
{accounts}
transport sink {{ smtp {{ host 192.0.2.2  tls none  idle-timeout 0 }} }}
route {{ to .example.net  transport sink }}
webhooks {{ allow-private yes  {webhooks} }}
dns {{ cache 0  server 192.0.2.53:53 }}
"""
APP = 'account app {{ address app@us.test  webhook outgoing {{ url "{url}" {more} }} {rest} }}'
EVENTS = "delivered, delayed, failed, canceled, suppressed, relayed, expanded, unrecognized"
MESSAGE = """From: "Bob" <bob@b.test>\r
To: app@us.test, Ann <ann@us.test>\r
Subject: a <question>\r
Message-ID: <Q1@b.test>\r
References: <R1@us.test>\r
Date: Fri, 27 Nov 2026 12:00:00 +0000\r
Content-Type: multipart/alternative; boundary=b\r
\r
--b\r
Content-Type: text/plain; charset=iso-8859-1\r
Content-Transfer-Encoding: quoted-printable\r
\r
caf=E9\r
--b\r
Content-Type: text/html\r
\r
<p>caf&eacute;</p>\r
--b--\r
"""


class Faults(case.LanCase):
    def setUp(self):
        super().setUp()
        self.files = {}

    def start(self, url=None, more="", rest="", webhooks="timeout 1s", accounts=None):
        self.us = self.lan.hosts.get("us") or self.lan.host("us", 1)
        self.sink = smtpsink.SmtpSink(self.lan.host("sink", 2), 25)
        self.hooks = httpsink.HttpSink(self.lan.host("app", 3), 80)
        self.addCleanup(self.sink.close)
        self.addCleanup(self.hooks.close)
        accounts = accounts or APP.format(url=url or self.hooks.url, more=more, rest=rest)
        self.suite = suite.Suite(CONFIG.format(accounts=accounts, webhooks=webhooks), host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"app": "secret"}))
        for name, text in self.files.items():
            self.suite.add_file(name, text)
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())

    def send(self, to="b@example.net", login="app@us.test"):
        answer = api.Api(self.us.v4, 80, login, "secret").call("Send", {"To": [{"Address": to}], "Text": "x"})
        self.assertEqual(answer.status, 200, answer.text)
        return answer.json["Submissions"][0]["QueueMsgID"]

    def waiting(self, attempts=1):
        """The only webhook, once so many attempts were made: its row, and what the last one gave."""
        def look():
            rows = self.suite.qmctl("hook", "list")
            return rows[0] if rows and rows[0]["attempts"] == attempts else None
        row = wait.until(look, what=lambda: f"attempt {attempts} to be over: {self.suite.qmctl('hook', 'list')}")
        return row, self.suite.qmctl("hook", "show", row["id"])["results"][-1]

    def past(self, count=1):
        rows = wait.until(lambda: (lambda rows: rows if len(rows) >= count else None)(
            self.suite.qmctl("hook", "retired", "list", "--asc")), what=f"{count} webhooks in the history")
        return [self.suite.qmctl("hook", "retired", "show", row["id"]) for row in rows]

    def step(self, seconds):
        self.suite.qmctl("clock", "step", int(seconds * 1000))

    # ---- what an endpoint answers

    def test_each_answer_that_is_no_success(self):
        self.start()
        other = httpsink.HttpSink(self.lan.host("other", 4), 80)
        self.addCleanup(other.close)
        cases = [(httpsink.Answer(500, "broken \x00 \u00e9"), 500, 'http status "500", expected 2xx'),
                 (httpsink.Answer(302, headers={"Location": f"{other.url}/"}), 302, 'http status "302", expected 2xx'),
                 (httpsink.Answer(307, headers={"Location": f"{other.url}/"}), 307, 'http status "307", expected 2xx'),
                 (httpsink.Answer(404, headers={"Connection": "close"}), 404, 'http status "404", expected 2xx'),
                 (httpsink.Answer(drop=True), 0, "http transact: "),
                 (httpsink.Answer(delay=4), 0, "http transact: "),
                 (httpsink.Answer(drip=0.2), 0, "http transact: ")]
        for number, (answer, code, why) in enumerate(cases, 1):
            with self.subTest(why, number=number):
                self.hooks.answer(answer)
                self.send()
                row, last = self.waiting()
                self.assertEqual(last["code"], code)
                self.assertTrue(last["error"].startswith(why), last)
                self.assertLess(last["duration_ms"], 2500)
                if number == 1:
                    self.assertEqual(last["response"], "broken ? \u00e9")
                self.suite.qmctl("hook", "cancel", row["id"])
        self.assertEqual(other.requests, [])
        past = self.past(len(cases))
        self.assertEqual({one["results"][-1]["error"] for one in past}, {"canceled by admin"})
        self.suite.stop()

    def test_what_counts_as_success_is_any_2xx_or_200_alone(self):
        self.start()
        for status in (200, 201, 202, 204):
            self.hooks.answer(status)
            self.send()
        self.assertEqual([(one["success"], one["attempts"]) for one in self.past(4)], [(True, 1)] * 4)
        self.suite.write_config(self.suite.config_text.replace("timeout 1s", "timeout 1s  success 200-only"))
        self.suite.qmctl("reload")
        for status in (201, 204):
            self.hooks.answer(status)
            self.send()
            row, last = self.waiting()
            self.assertEqual((last["code"], last["error"]), (status, f'http status "{status}", expected 200 ok'))
            self.suite.qmctl("hook", "cancel", row["id"])
        self.hooks.answer(200)
        self.send()
        wait.until(lambda: len([one for one in self.past(7) if one["success"]]) == 5, what="the fifth success")
        self.suite.stop()

    def test_an_answer_without_end_is_cut(self):
        self.start(webhooks="timeout 20s  response-size 1024")
        self.hooks.answer(httpsink.Answer(drip=0))
        self.send()
        one, = self.past()
        self.assertTrue(one["success"])
        self.assertEqual(one["results"][0]["response"], "x" * 1024)
        self.assertLess(one["results"][0]["duration_ms"], 15000)
        self.suite.stop()

    def test_an_endpoint_that_is_gone_is_told_no_more_and_one_that_is_busy_is_given_time(self):
        self.start()
        when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=2)
        for code, retry, seconds in ((429, "600", 600), (503, "900", 900),
                                     (503, email.utils.format_datetime(when, usegmt=True), 7200)):
            with self.subTest(code, retry=retry):
                self.hooks.answer(httpsink.Answer(code, headers={"Retry-After": retry}))
                self.send()
                row, _ = self.waiting()
                left = datetime.datetime.fromisoformat(row["next"]) - datetime.datetime.now(datetime.timezone.utc)
                self.assertAlmostEqual(left.total_seconds(), seconds, delta=15)
                self.suite.qmctl("hook", "cancel", "--all")
        self.hooks.answer(410)
        self.send()
        gone = wait.until(lambda: [one for one in self.past() if one["results"][-1]["code"] == 410], what="the end")[0]
        self.assertEqual((gone["success"], gone["attempts"]), (False, 1))
        self.suite.stop()

    def test_neither_a_name_without_address_nor_a_wrong_certificate_is_spoken_to(self):
        zone = dnszone.Zone("hook.test").address("app", "192.0.2.3")
        dns = dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), [zone]).start()
        self.addCleanup(dns.stop)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        cert, key = certs.Authority(pathlib.Path(folder.name)).issue("app", "app.hook.test")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.start(url="https://app.hook.test/")
        secure = httpsink.HttpSink(self.lan.hosts["app"], 443, tls=context)
        self.addCleanup(secure.close)
        self.send()
        row, last = self.waiting()
        self.assertIn("certificate", last["error"])
        self.assertEqual((last["code"], secure.requests), (0, []))
        self.suite.qmctl("hook", "cancel", row["id"])
        self.suite.write_config(self.suite.config_text.replace("app.hook.test", "nowhere.hook.test"))
        self.suite.qmctl("reload")
        self.send()
        _, last = self.waiting()
        self.assertRegex(last["error"], "^http transact: cannot resolve nowhere.hook.test: ")
        self.suite.stop()

    def test_an_endpoint_with_a_good_certificate_is_told(self):
        zone = dnszone.Zone("hook.test").address("app", "192.0.2.3")
        dns = dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), [zone]).start()
        self.addCleanup(dns.stop)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        ca = certs.Authority(pathlib.Path(folder.name))
        cert, key = ca.issue("app", "app.hook.test")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.lan.host("us", 1).write("/etc/ssl/certs/ca-certificates.crt", ca.root.read_text())
        self.start(url="https://app.hook.test/in")
        secure = httpsink.HttpSink(self.lan.hosts["app"], 443, tls=context)
        self.addCleanup(secure.close)
        self.send()
        told, = secure.wait(1)
        self.assertEqual((told.path, told.headers["Host"], told.json()["Event"]), ("/in", "app.hook.test", "delivered"))
        self.assertEqual((self.past()[0]["success"], self.hooks.requests), (True, []))
        self.suite.stop()

    def test_a_call_that_hooks_does_not_survive_is_made_again_under_its_id(self):
        self.start(webhooks="timeout 30s")
        self.hooks.answer(httpsink.Answer(delay=20))
        self.send()
        first = self.hooks.wait(1)[0]
        os.kill(next(pid for pid, line in self.suite.processes().items() if "--name=hooks" in line), signal.SIGKILL)
        self.suite.allow_error("hooks")
        self.waiting()
        self.step(70)
        second = self.hooks.wait(2, timeout=30)[1]
        for name in ("X-Quartermaster-Webhook-ID", "X-Mox-Webhook-ID"):
            self.assertEqual(first.headers[name], second.headers[name])
        self.assertEqual(second.headers["X-Mox-Webhook-Attempt"], "2")
        self.assertEqual(first.body, second.body)
        self.suite.stop()

    def test_a_call_that_the_queue_does_not_survive_is_made_again_with_a_higher_number(self):
        self.start(webhooks="timeout 30s")
        self.hooks.answer(httpsink.Answer(delay=20))
        self.send()
        first = self.hooks.wait(1)[0]
        os.kill(next(pid for pid, line in self.suite.processes().items() if "--name=qmgr" in line), signal.SIGKILL)
        self.suite.allow_error("qmgr")
        second = self.hooks.wait(2, timeout=30)[1]
        self.assertEqual([(one.headers["X-Mox-Webhook-ID"], one.headers["X-Mox-Webhook-Attempt"]) for one in (first, second)],
                         [(first.headers["X-Mox-Webhook-ID"], str(n)) for n in (1, 2)])
        self.assertEqual(first.body, second.body)
        row, = self.past()
        self.assertEqual((row["attempts"], row["success"], [one["code"] for one in row["results"]]), (2, True, [0, 200]))
        self.assertIn("the queue ended", row["results"][0]["error"])
        self.suite.stop()

    def test_ten_urls_that_hang_delay_no_other(self):
        accounts = "\n".join(f'account h{n} {{ address h{n}@us.test  webhook outgoing {{ url "http://192.0.2.3/hang{n}" }} }}'
                             for n in range(10))
        self.start(accounts=accounts + '\naccount app { address app@us.test  webhook outgoing { url "http://192.0.2.4/" } }',
                   webhooks="timeout 30s")
        self.hooks.always(httpsink.Answer(delay=60))
        alive = httpsink.HttpSink(self.lan.host("alive", 4), 80)
        self.addCleanup(alive.close)
        self.suite.add_file("state/credentials", api.credentials({name: "secret" for name in (
            "app", *(f"h{n}" for n in range(10)))}))
        self.suite.qmctl("reload")
        for n in range(10):
            for _ in range(5):
                self.send(login=f"h{n}@us.test")
        wait.until(lambda: len({one.path for one in self.hooks.requests}) == 10, what="ten calls that hang")
        began = time.monotonic()
        for number in range(1, 6):
            self.send()
            alive.wait(number, timeout=5)
        self.assertLess(time.monotonic() - began, 10)
        self.assertFalse(self.suite.find_log(m="webhook failed"))
        self.suite.kill()

    # ---- news that give way, and an operator

    def test_the_latest_news_are_all_that_is_told_where_that_is_wanted(self):
        self.start(more="supersede yes")
        self.hooks.always(500)
        self.sink.script("RCPT", "451 4.2.1 not now", "250 ok")
        qid = self.send()
        delayed, _ = self.waiting()
        self.suite.qmctl("queue", "kick", "--all")
        delivered = wait.until(lambda: [row for row in self.suite.qmctl("hook", "list") if row["event"] == "delivered"],
                               what="news of the delivery")[0]
        self.assertEqual([row["id"] for row in self.suite.qmctl("hook", "list")], [delivered["id"]])
        past, = self.past()
        self.assertEqual((past["id"], past["superseded_by"], past["success"]), (delayed["id"], delivered["id"], False))
        self.assertEqual(json.loads(past["payload"])["QueueMsgID"], qid)
        self.assertIn("superseded", self.suite.qmctl("hook", "retired", "list")[0]["last"])
        self.suite.stop()

    def test_an_operator_looks_at_them_moves_them_and_takes_them_away(self):
        self.start(more='authorization "Bearer secret-of-app"')
        self.hooks.answer(500, 500, 500)
        for _ in range(3):
            self.send()
        rows = wait.until(lambda: (lambda rows: rows if [row["attempts"] for row in rows] == [1, 1, 1] else None)(
            self.suite.qmctl("hook", "list")), what="three attempts")
        shown = self.suite.qmctl("hook", "show", rows[0]["id"])
        self.assertEqual(shown["authorization"], True)
        self.assertNotIn("secret-of-app", json.dumps(shown))
        self.assertEqual(json.loads(shown["payload"])["Event"], "delivered")
        self.assertEqual(shown["results"][0]["code"], 500)
        first, second, third = (row["id"] for row in rows)
        self.assertEqual(self.suite.qmctl("hook", "kick", "-n", "--event", "delivered")["webhooks"], 3)
        self.assertEqual(self.suite.qmctl("hook", "kick", "--later", "2h", second)["webhooks"], 1)
        self.assertEqual(self.suite.qmctl("hook", "kick", "--in", "3h", third)["webhooks"], 1)
        after = {row["id"]: datetime.datetime.fromisoformat(row["next"]) for row in self.suite.qmctl("hook", "list")}
        self.assertAlmostEqual((after[third] - after[first]).total_seconds(), 3 * 3600 - 60, delta=10)
        self.assertAlmostEqual((after[second] - after[first]).total_seconds(), 2 * 3600, delta=10)
        self.assertEqual(self.suite.qmctl("hook", "kick", first)["webhooks"], 1)
        self.hooks.wait(4)
        self.assertEqual(self.suite.qmctl("hook", "cancel", "--next", ">+150m", "--account", "app")["webhooks"], 1)
        past = {one["id"]: one for one in self.past(2)}
        self.assertTrue(past[first]["success"])
        self.assertEqual([one["error"] for one in past[third]["results"]][1:], ["canceled by admin"])
        self.assertEqual([row["id"] for row in self.suite.qmctl("hook", "list")], [second])
        for words in (["kick"], ["cancel"], ["show"], ["show", "1NGKD280000"], ["kick", "--in", "soon", "--all"],
                      ["cancel", "--in", "1h", "--held"], ["retired"], ["retired", "kick"]):
            with self.subTest(words):
                self.assertNotEqual(self.suite.qmctl("hook", *words, check=False).returncode, 0)
        self.suite.stop()

    # ---- mail that comes

    def test_an_operator_has_a_webhook_called(self):
        self.files["key"] = "whsec_" + base64.b64encode(b"k" * 32).decode() + "\n"
        self.start(more='authorization "Bearer s3cret"  events failed  signing-key-file "${dir}/key"',
                   rest='webhook incoming { url "http://192.0.2.3/in" }')
        told = self.suite.qmctl("hook", "test", "app")
        request, = self.hooks.wait(1)
        payload = request.json()
        self.assertEqual({key: told[key] for key in ("success", "code", "account", "event", "url", "error")},
                         {"success": True, "code": 200, "account": "app", "event": "delivered", "url": self.hooks.url, "error": ""})
        self.assertEqual((json.loads(told["payload"]), payload["Event"], payload["SMTPCode"]), (payload, "delivered", 0))
        self.assertEqual({key: request.headers[key] for key in ("X-Mox-Webhook-ID", "X-Quartermaster-Webhook-Attempt", "webhook-id",
                                                                "Authorization")},
                         {"X-Mox-Webhook-ID": "1", "X-Quartermaster-Webhook-Attempt": "1", "webhook-id": "1",
                          "Authorization": "Bearer s3cret"})
        signed = f"1.{request.headers['webhook-timestamp']}.".encode() + request.body
        self.assertEqual(request.headers["webhook-signature"],
                         "v1," + base64.b64encode(hmac.digest(b"k" * 32, signed, "sha256")).decode())
        self.suite.qmctl("hook", "test", "--event", "failed", "app")
        payload = self.hooks.wait(2)[1].json()
        self.assertEqual((payload["Event"], payload["SMTPCode"], payload["SMTPEnhancedCode"]), ("failed", 550, "5.1.1"))
        self.suite.qmctl("hook", "test", "--incoming", "app")
        request = self.hooks.wait(3)[2]
        payload = request.json()
        self.assertEqual((request.path, payload["Meta"]["RcptTo"], payload["From"][0]["Address"], payload["Structure"]["ContentType"]),
                         ("/in", "app@us.test", "test@example.org", "text/plain"))
        self.hooks.answer(httpsink.Answer(500, "broken"))
        done = self.suite.qmctl("hook", "test", "app", check=False)
        told = json.loads(done.stdout)
        self.assertEqual((done.returncode, told["success"], told["code"], told["error"], told["response"]),
                         (69, False, 500, 'http status "500", expected 2xx', "broken"))
        for words, code, why in ((["nobody"], 65, "no such account"), (["--event", "opened", "app"], 65, f"no such event; there are: {EVENTS}\n"),
                                 (["--event", "accepted", "app"], 65, f"no such event; there are: {EVENTS}\n"),
                                 (["--event", "failed", "--incoming", "app"], 64, "usage"), ([], 64, "usage")):
            done = self.suite.qmctl("hook", "test", *words, check=False)
            self.assertEqual((done.returncode, why in done.stderr), (code, True), done.stderr)
        self.assertIn(f"NAME, of an event: {EVENTS}\n", self.suite.qmctl("hook", "--help", check=False).stdout)
        # Nothing of it is kept, and nothing is repeated.
        self.step(3600)
        self.assertEqual((self.suite.qmctl("hook", "list"), self.suite.qmctl("hook", "retired", "list")), ([], []))
        self.assertEqual(len(self.hooks.requests), 4)
        self.suite.write_config(self.suite.config_text.replace("allow-private yes", "allow-private no"))
        self.suite.qmctl("reload")
        told = json.loads(self.suite.qmctl("hook", "test", "app", check=False).stdout)
        self.assertEqual((told["success"], told["code"], len(self.hooks.requests)), (False, 0, 4))
        self.suite.stop()

    def test_mail_that_comes_is_told(self):
        key = os.urandom(24)
        self.files["in.key"] = f"whsec_{base64.b64encode(key).decode()}\n"
        self.start(rest='webhook incoming { url "http://192.0.2.3/in"  authorization "Bearer in"  '
                        'signing-key-file "${dir}/in.key" }')
        maildir = mailbox.Maildir(self.suite.folder / "state/mail/app")
        with smtplib.SMTP(self.us.v4, 25, local_hostname="client.example", timeout=20) as client:
            client.sendmail("bob@b.test", ["app@us.test"], MESSAGE)
        maildir.wait(1)
        request, = self.hooks.wait(1)
        self.assertEqual((request.path, request.headers["Authorization"]), ("/in", "Bearer in"))
        signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
        self.assertEqual(request.headers["webhook-signature"],
                         "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode())
        self.assertEqual(request.headers["webhook-id"], request.headers["X-Quartermaster-Webhook-ID"])
        told = request.json()
        self.assertEqual(list(told), ["Version", "From", "To", "CC", "BCC", "ReplyTo", "Subject", "MessageID", "InReplyTo",
                                      "References", "Date", "Text", "HTML", "Structure", "Meta"])
        self.assertEqual(told["From"], [{"Name": "Bob", "Address": "bob@b.test"}])
        self.assertEqual((told["Subject"], told["MessageID"], told["References"]), ("a <question>", "<Q1@b.test>", ["<r1@us.test>"]))
        self.assertEqual((told["Text"], told["HTML"]), ("caf\u00e9", "<p>caf&eacute;</p>"))
        meta = told["Meta"]
        received = datetime.datetime.fromisoformat(meta.pop("Received"))
        self.assertLess(abs(received.timestamp() - time.time()), 60)
        msg_id = meta.pop("MsgID")
        self.assertEqual(meta, {"MailFrom": "bob@b.test", "MailFromValidated": False, "MsgFromValidated": False,
                                "RcptTo": "app@us.test", "DKIMVerifiedDomains": [], "RemoteIP": meta["RemoteIP"],
                                "MailboxName": "Inbox", "Automated": False})
        self.assertRegex(meta["RemoteIP"], r"^192\.0\.2\.")
        app = api.Api(self.us.v4, 80, "app@us.test", "secret")
        got = app.call("MessageGet", {"MsgID": msg_id})
        self.assertEqual((got.status, got.json["Message"]["Subject"], got.json["Structure"]),
                         (200, "a <question>", told["Structure"]))
        row = self.past()[0]
        self.assertEqual((row["event"], row["recipient"]), ("incoming", "0"))
        self.assertEqual(self.suite.qmctl("hook", "retired", "list", "--event", "incoming")[0]["id"], row["id"])
        text = wait.until(lambda: (lambda text: text if 'webhook_results_total{process="hooks",code="200"}' in text else None)(
            api.Api(self.us.v4, 80).get("/metrics").text), what="metrics of webhooks")
        self.assertRegex(text, r'quartermaster_webhook_request_duration_seconds_count\{process="hooks"\} 1\n')
        self.assertRegex(text, r'quartermaster_webhook_results_total\{process="hooks",code="200"\} 1\n')
        self.assertIn("# TYPE quartermaster_webhook_request_duration_seconds histogram\n", text)
        self.suite.stop()


if __name__ == "__main__":
    case.main()
