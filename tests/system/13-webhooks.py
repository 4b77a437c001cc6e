"""Webhooks: what an application is told of its mail, and how it is told when it does not listen."""

import base64
import datetime
import hmac
import os
import re

from harness import api, case, dnszone, httpsink, smtpsink, suite, wait

CONFIG = """
hostname mx.us.test
test-clock yes
listen api { address 192.0.2.1  http 80  webapi yes }
domain us.test { }
account app {
    address app@us.test
    suppress no
    webhook outgoing { url "%(url)s/app"  authorization "Bearer of-news" }
}
account other {
    address other@us.test
    webhook outgoing { url "%(url)s/other"  events failed }
}
transport sink { smtp { host 192.0.2.2  tls none  idle-timeout 0 } }
route { transport sink }
webhooks { timeout 1s %(more)s }
"""
FIELDS = ["Version", "Event", "DSN", "Suppressing", "QueueMsgID", "FromID", "MessageID", "Subject", "WebhookQueued",
          "SMTPCode", "SMTPEnhancedCode", "Error", "Extra", "Recipient", "Attempt", "ReplyCode", "Reply"]
MINUTES = [1, 2, 4, 7.5, 15, 30, 60, 120, 240, 480, 960]  # before the second attempt and all further ones


class Webhooks(case.LanCase):
    keys = {}

    def start(self, more="allow-private yes", url=None, network=None):
        """network: a second one, as "198.51.100", that the suite and the endpoint are in with .1 and .3."""
        def extra(number):
            return [f"{network}.{number}/24"] if network else []
        self.us = self.lan.host("us", 1, more=extra(1))
        self.sink = smtpsink.SmtpSink(self.lan.host("sink", 2), 25)
        self.hooks = httpsink.HttpSink(self.lan.host("app", 3, more=extra(3)), 80, address="0.0.0.0" if network else None)
        self.addCleanup(self.sink.close)
        self.addCleanup(self.hooks.close)
        self.suite = suite.Suite(CONFIG % {"url": url or self.hooks.url, "more": more}, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"app": "secret", "other": "secret"}))
        for name, key in self.keys.items():
            self.suite.add_file(name, f"whsec_{base64.b64encode(key).decode()}\n")
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        self.stepped = 0
        self.page = api.Api(self.us.v4, 80).get("/webapi/v0/").text

    def send(self, login="app@us.test", **more):
        answer = api.Api(self.us.v4, 80, login, "secret").call("Send", {
            "To": [{"Address": "b@example.net"}], "Subject": "an <order> & more", "Text": "x", **more})
        self.assertEqual(answer.status, 200, answer.text)
        return answer.json

    def step(self, seconds):
        self.stepped += seconds
        self.suite.qmctl("clock", "step", int(seconds * 1000))

    def waiting(self):
        """The webhook that waits for its next attempt: (attempts, seconds until the next, row)."""
        def look():
            rows = self.suite.qmctl("hook", "list")
            return rows[0] if rows and rows[0]["attempts"] == len(self.hooks.requests) else None
        row = wait.until(look, what=lambda: f"an attempt to be over: {self.suite.qmctl('hook', 'list')}")
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.stepped)
        return row["attempts"], (datetime.datetime.fromisoformat(row["next"]) - now).total_seconds(), row

    def none_waits(self):
        wait.until(lambda: self.suite.qmctl("hook", "list") == [], what="no webhook to wait")

    def check(self, request, sent, **wanted):
        """The whole payload: what is not named is as for a plain success."""
        payload = request.json()
        self.assertEqual(list(payload), FIELDS)
        self.assertEqual({name for name in FIELDS if f"<code>{name}</code>" not in self.page}, set())
        queued = datetime.datetime.fromisoformat(payload.pop("WebhookQueued"))
        self.assertIsNotNone(queued.tzinfo)
        submission, = sent["Submissions"]
        self.assertGreaterEqual(payload.pop("Attempt"), 1)
        code, reply = payload.pop("ReplyCode"), payload.pop("Reply")
        self.assertTrue(reply == "" and code == 0 or reply.startswith(str(code)), (code, reply))
        if payload["Event"] in ("delivered", "delayed"):
            self.assertRegex(reply, "^250 |^451 4.2.1 not now$")
        plain = {"Version": 0, "DSN": False, "Suppressing": False, "QueueMsgID": submission["QueueMsgID"],
                 "FromID": submission["FromID"], "MessageID": sent["MessageID"], "Subject": "an <order> & more",
                 "SMTPCode": 0, "SMTPEnhancedCode": "", "Error": "", "Extra": {}, "Recipient": "b@example.net"}
        self.assertEqual(payload, {**plain, **wanted})

    def test_what_it_is_told(self):
        self.start()
        sent = self.send(Extra={"Order": "7", "<b>": "\u00e9"})
        request = self.hooks.wait(1)[0]
        self.check(request, sent, Event="delivered", Extra={"Order": "7", "<b>": "\u00e9"})
        self.assertIn(b"\\u003corder\\u003e \\u0026 more", request.body)
        self.assertEqual((request.method, request.path), ("POST", "/app"))
        headers = {key: request.headers[key] for key in
                   ("Content-Type", "Authorization", "X-Mox-Webhook-Attempt", "X-Quartermaster-Webhook-Attempt", "Expect")}
        self.assertEqual(headers, {
            "Content-Type": "application/json; charset=utf-8", "Authorization": "Bearer of-news",
            "X-Mox-Webhook-Attempt": "1", "X-Quartermaster-Webhook-Attempt": "1", "Expect": None})
        self.assertRegex(request.headers["User-Agent"], r"^quartermaster/\S+ \(webhook\)$")
        self.assertRegex(request.headers["X-Mox-Webhook-ID"], r"^\d+$")
        self.assertEqual(request.headers["X-Quartermaster-Webhook-ID"], request.headers["X-Mox-Webhook-ID"])

        self.sink.script("RCPT", "451 4.2.1 not now", "550-5.1.1 no such user\n550 5.1.1 really", "451 4.2.1 not now")
        sent = self.send()
        self.check(self.hooks.wait(2)[1], sent, Event="delayed", SMTPCode=451, SMTPEnhancedCode="4.2.1",
                   Error="transient: 451 4.2.1 not now")
        self.suite.qmctl("queue", "kick", "--all")
        self.check(self.hooks.wait(3)[2], sent, Event="failed", SMTPCode=550, SMTPEnhancedCode="5.1.1",
                   Error="permanent: 550-5.1.1 no such user")

        for action, event in (("drop", "canceled"), ("fail", "failed")):
            count = len(self.hooks.requests)
            sent = self.send()
            self.hooks.wait(count + 1)  # delayed
            self.suite.qmctl("queue", action, "--all")
            self.check(self.hooks.wait(count + 2)[-1], sent, Event=event, Error="delivery canceled by admin")
        ids = [request.headers["X-Mox-Webhook-ID"] for request in self.hooks.requests]
        self.assertEqual(len(set(ids)), len(ids))
        self.none_waits()
        self.suite.stop()

    def test_an_account_is_told_of_the_events_it_names_only(self):
        self.start()
        self.send("other@us.test")
        self.sink.wait(1)
        self.sink.script("MAIL", "550 5.7.1 no")
        sent = self.send("other@us.test")
        self.check(self.hooks.wait(1)[0], sent, Event="failed", SMTPCode=550, SMTPEnhancedCode="5.7.1",
                   Error="permanent: 550 5.7.1 no")
        self.assertEqual([one.headers["Authorization"] for one in self.hooks.requests], [None])
        self.suite.stop()

    def test_attempts_follow_the_schedule_and_end_with_the_twelfth(self):
        self.start()
        self.hooks.always(500)
        self.send()
        for number, minutes in enumerate(MINUTES, 1):
            self.hooks.wait(number)
            attempts, left, row = self.waiting()
            self.assertEqual(attempts, number)
            self.assertAlmostEqual(left, minutes * 60, delta=minutes * 60 * 0.011 + 5)
            self.assertEqual(row["last"], 'http status "500", expected 2xx')
            self.step(left - 5)
            self.assertEqual(len(self.hooks.requests), number)
            self.step(5.1)
        requests = self.hooks.wait(12)
        self.none_waits()
        self.assertEqual([one.headers["X-Mox-Webhook-Attempt"] for one in requests], [str(n) for n in range(1, 13)])
        self.assertEqual(len({one.headers["X-Mox-Webhook-ID"] for one in requests}), 1)
        self.assertEqual(len({one.body for one in requests}), 1)
        self.suite.stop()

    def test_the_status_says_when_to_come_again(self):
        self.start()
        self.hooks.answer(httpsink.Answer(429, headers={"Retry-After": "600"}),
                          httpsink.Answer(503, headers={"Retry-After": "900"}), 204)
        self.send()
        for number, least in ((1, 600), (2, 900)):
            self.hooks.wait(number)
            _, left, _ = self.waiting()
            self.assertAlmostEqual(left, least, delta=10)
            self.step(left + 0.1)
        self.hooks.wait(3)
        self.none_waits()
        self.hooks.answer(410)
        self.send()
        self.hooks.wait(4)
        self.none_waits()
        self.step(3600)
        self.assertEqual(len(self.hooks.requests), 4)
        self.suite.stop()

    def test_an_endpoint_that_hangs_is_given_up_and_delays_nobody_else(self):
        self.start()
        self.hooks.answer(httpsink.Answer(200, delay=4))
        self.send()
        self.hooks.wait(1)
        self.sink.script("MAIL", "550 5.7.1 no")
        self.send("other@us.test")
        self.assertEqual(self.hooks.wait(2)[1].path, "/other")
        row = wait.until(lambda: [one for one in self.suite.qmctl("hook", "list") if one["attempts"] == 1],
                         what="the end of the attempt")[0]
        self.assertIn("http transact: ", row["last"])
        self.step(70)
        again = self.hooks.wait(3)[2]
        self.assertEqual((again.path, again.headers["X-Mox-Webhook-Attempt"]), ("/app", "2"))
        self.none_waits()
        self.suite.stop()

    def test_a_dropped_connection_and_a_closed_port_are_tried_again(self):
        self.start()
        self.hooks.answer(httpsink.Answer(drop=True))
        self.send()
        self.hooks.wait(1)
        self.assertIn("http transact: ", self.waiting()[2]["last"])
        self.lan.hosts["app"].unplug()
        self.step(62)
        wait.until(lambda: self.suite.qmctl("hook", "list")[0]["attempts"] == 2, what="the second attempt")
        self.lan.hosts["app"].plug()
        self.step(125)
        self.hooks.wait(2)
        self.none_waits()
        self.suite.stop()

    def test_it_is_signed_with_both_keys_while_one_takes_over(self):
        """As https://www.standardwebhooks.com has it, and anew for each attempt."""
        new, old = os.urandom(24), os.urandom(64)
        self.keys = {"new.key": new, "old.key": old}
        self.start()
        self.suite.write_config(self.suite.config_text.replace(
            'authorization "Bearer of-news"', 'signing-key-file "${dir}/new.key"  old-signing-key-file "${dir}/old.key"'))
        self.suite.qmctl("reload")
        self.hooks.answer(500)
        self.send()
        self.waiting()
        self.step(62)
        first, second = self.hooks.wait(2)
        self.assertEqual(first.headers["webhook-id"], second.headers["webhook-id"])
        self.assertEqual(first.headers["webhook-id"], first.headers["X-Quartermaster-Webhook-ID"])
        self.assertGreaterEqual(int(second.headers["webhook-timestamp"]), int(first.headers["webhook-timestamp"]) + 60)
        for request in (first, second):
            signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
            wanted = " ".join("v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in (new, old))
            self.assertEqual(request.headers["webhook-signature"], wanted)
        self.send("other@us.test")  # which has no key
        self.none_waits()
        self.suite.write_config(self.suite.config_text.replace("old.key", "other.key"))
        self.suite.add_file("other.key", "whsec_short")
        refused = self.suite.qmctl("reload", check=False)
        self.assertIn("signing key of webhook outgoing app: must be one line", str(refused))
        self.suite.allow_error("reload refused|signing key")
        self.suite.stop()

    def test_no_private_address_is_called(self):
        self.start(more="")  # 192.0.2.0/24 is no public network (RFC 5737)
        self.send()
        row = wait.until(lambda: [one for one in self.suite.qmctl("hook", "list") if one["attempts"] == 1],
                         what="the end of the attempt")[0]
        self.assertEqual(row["last"], "http transact: the address is not a public one")
        self.assertEqual(self.hooks.requests, [])
        for url in ("http://127.0.0.1:80/", "http://localhost/", "http://[::1]/", "http://[::ffff:192.0.2.3]/",
                    "http://3221225987/", "http://[2001:db8::3]/"):
            with self.subTest(url=url):
                count = len(self.suite.find_log(m="webhook failed"))
                self.suite.write_config(re.sub(r'url "[^"]*/app"', f'url "{url}"', self.suite.config_text))
                self.suite.qmctl("reload")
                self.send()
                entry = self.suite.wait_log(m="webhook failed", count=count + 1)
                self.assertEqual(entry["why"], "http transact: the address is not a public one")
        self.assertEqual(self.hooks.requests, [])
        self.suite.stop()

    def test_a_name_is_judged_by_the_address_that_is_called(self):
        zone = dnszone.Zone("hook.test").address("both", "192.0.2.3", "11.1.1.3").address("moves", "11.1.1.3")
        dns = dnszone.Nsd(self.lan.host("dns", 53, software=["nsd"]), [zone]).start()
        self.addCleanup(dns.stop)
        self.start(more="} dns { cache 0  server 192.0.2.53:53", url="http://both.hook.test", network="11.1.1")
        # One address that may not be called is no reason not to call the other, nor to call it again.
        sent = self.send()
        self.check(self.hooks.wait(1)[0], sent, Event="delivered")
        self.none_waits()
        self.assertEqual(self.suite.find_log(m="webhook failed"), [])
        self.assertEqual(len(self.hooks.requests), 1)
        # A name that was public and now leads inside (DNS rebinding).
        self.suite.write_config(self.suite.config_text.replace("both.hook.test/app", "moves.hook.test/app"))
        self.suite.qmctl("reload")
        self.hooks.answer(httpsink.Answer(200, headers={"Connection": "close"}))
        self.send()
        self.hooks.wait(2)
        self.none_waits()
        zone.drop("moves").address("moves", "192.0.2.3")
        dns.reload()
        self.send()
        entry = self.suite.wait_log(m="webhook failed")
        self.assertEqual(entry["why"], "http transact: the address is not a public one")
        self.assertEqual(len(self.hooks.requests), 2)
        self.suite.stop()


if __name__ == "__main__":
    case.main()
