"""What happened to an account's mail, read in order over HTTP, from any point on."""

import contextlib
import http.client
import threading
import time

from harness import api, case, smtpsink, suite, wait

CONFIG = """
hostname mail.example.org
test-clock yes
listen web {{ address {us}  http 80  webapi yes  metrics yes }}
domain mox.example {{ }}
account mjl {{ address mjl@mox.example }}
account other {{ address other@mox.example }}
transport sink {{ smtp {{ host {sink}  port 25  tls none }} }}
route {{ transport sink }}
queue {{ keep-events 2h }}
"""


class Events(case.LanCase):
    def setUp(self):
        super().setUp()
        us, sink = self.lan.host("us"), self.lan.host("sink")
        self.sink = smtpsink.SmtpSink(sink, 25)
        self.addCleanup(self.sink.close)
        self.suite = suite.Suite(CONFIG.format(us=us.v4, sink=sink.v4), host=us)
        self.suite.add_file("state/credentials", api.credentials({"mjl": "mjl password", "other": "other password"}))
        self.enterContext(self.suite)
        self.mjl = api.Api(us.v4, 80, "mjl@mox.example", "mjl password")
        self.other = api.Api(us.v4, 80, "other@mox.example", "other password")
        self.anybody = api.Api(us.v4, 80)

    def send(self, who=None, **more):
        request = {"To": [{"Address": "a@example.net"}], "Subject": "hello", "Text": "hi", **more}
        answer = (who or self.mjl).call("Send", request)
        self.assertEqual(answer.status, 200, answer.text)
        return answer.json["Submissions"][0]["QueueMsgID"], answer.json["MessageID"]

    def read(self, query, who=None):
        answer = (who or self.mjl).get(f"/webapi/v0/events{query}")
        self.assertEqual(answer.status, 200, answer.text)
        return answer.json

    def all(self, count, who=None):
        """Waits for so many events."""
        def page():
            found = self.read("?after=0", who)
            return found if len(found["Events"]) >= count else None
        return wait.until(page, what=f"{count} events")

    def test_in_order_and_for_the_account_alone(self):
        number, message_id = self.send(Extra={"order": "1042"})
        self.send(self.other)
        page = self.all(2)
        accepted, delivered = page["Events"]
        self.assertLess(accepted["Cursor"], delivered["Cursor"])
        self.assertEqual((page["Next"], page["Gap"]), (delivered["Cursor"], False))
        self.assertRegex(delivered["Reply"], "^250 ")
        self.assertRegex(delivered["RemoteAddress"], r"^192\.0\.2\.\d+:25$")
        self.assertRegex(delivered["TLS"], "^clear, .*; policy ")
        self.assertEqual([delivered[name] for name in ("TLSName", "TLSPeer", "TLSRecord")], ["", "", ""])
        taken = 'quartermaster_qmgr_attempt_duration_seconds_count{process="qmgr",result="delivered"} 2\n'
        metrics = wait.until(lambda: (lambda text: text if taken in text else None)(
            self.anybody.get("/metrics").text), what="how long attempts took")
        bucket = 'quartermaster_qmgr_attempt_duration_seconds_bucket{process="qmgr",result="%s",le="+Inf"} %u\n'
        for result, n in (("delivered", 2), ("deferred", 0), ("failed", 0)):
            self.assertIn(bucket % (result, n), metrics)
        self.assertEqual(metrics.count("# TYPE quartermaster_qmgr_attempt_duration_seconds histogram\n"), 1)
        self.assertRegex(metrics, r'quartermaster_delivery_attempt_duration_seconds_count'
                         r'\{process="delivery/sink",attempt="1",tls="none",result="ok"\} 2\n')
        for event in page["Events"]:
            self.assertRegex(event.pop("Time"), r"^20\d\d-\d\d-\d\dT")
            for name in ("Cursor", "Reply", "SMTPEnhancedCode", "RemoteMTA", "RemoteAddress", "TLS", "TLSName", "TLSPeer",
                         "TLSRecord"):
                event.pop(name)
        same = {"DSN": False, "Suppressing": False, "QueueMsgID": number, "FromID": "", "MessageID": message_id,
                "Subject": "hello", "Recipient": "a@example.net", "Extra": {"order": "1042"}}
        self.assertEqual(page["Events"], [{**same, "Event": "accepted", "SMTPCode": 0},
                                          {**same, "Event": "delivered", "SMTPCode": 250}])
        self.assertEqual(len(self.all(2, self.other)["Events"]), 2)

    def test_attempts_are_counted_by_what_came_of_them(self):
        lines = ['qmgr_attempt_duration_seconds_bucket{process="qmgr",result="failed",le="+Inf"} 1',
                 'qmgr_attempt_duration_seconds_bucket{process="qmgr",result="deferred",le="+Inf"} 0',
                 'qmgr_attempt_duration_seconds_count{process="qmgr",result="failed"} 1',
                 'delivery_attempt_duration_seconds_count{process="delivery/sink",attempt="1",tls="none",result="permerror"} 1',
                 'delivery_replies_total{process="delivery/sink",cmd="rcpt",code="550"} 1']
        self.sink.script("RCPT", "550 5.1.1 nobody here")
        self.send()

        def missing():
            text = self.anybody.get("/metrics").text
            return [line for line in lines if f"quartermaster_{line}\n" not in text]
        wait.until(lambda: not missing(), what=lambda: f"metrics: {missing()}")

    def test_pages_go_on_behind_a_cursor_also_after_a_crash(self):
        for _ in range(5):
            self.send()
        every = [event["Cursor"] for event in self.all(10)["Events"]]
        self.assertEqual(every, sorted(set(every)))
        self.suite.kill()
        self.suite.start()
        seen, after = [], 0
        while True:
            page = self.read(f"?after={after}&limit=3")
            if not page["Events"]:
                break
            seen += [event["Cursor"] for event in page["Events"]]
            after = page["Next"]
        self.assertEqual(seen, every)
        self.assertEqual(self.mjl.call("events", {"After": every[4]}).json["Events"][0]["Cursor"], every[5])

    def test_who_asks_for_what_is_not_there_yet_waits_for_it(self):
        self.assertEqual(self.read("?after=0&wait=0")["Events"], [])
        begin = time.monotonic()
        self.assertEqual(self.read("?after=0&wait=1"), {"Events": [], "Next": 0, "Gap": False})
        self.assertGreaterEqual(time.monotonic() - begin, 0.9)
        pages = []
        thread = threading.Thread(target=lambda: pages.append(self.read("?after=0&wait=50")))
        thread.start()
        self.send(self.other)
        self.all(2, self.other)
        self.assertEqual(pages, [], "another account's events are none of its business")
        self.send()
        thread.join(10)
        self.assertEqual(pages[0]["Events"][0]["Event"], "accepted")

    def test_who_waits_does_not_hold_up_the_end(self):
        self.assertEqual(self.read("?after=0")["Events"], [])
        poll = self.mjl.connect()
        poll.request("GET", "/webapi/v0/events?after=0&wait=60", headers=self.mjl.headers)
        begin = time.monotonic()
        self.suite.stop()
        self.assertLess(time.monotonic() - begin, 10)
        with contextlib.suppress(http.client.RemoteDisconnected):
            poll.getresponse().read()
        self.suite.start()

    def test_a_gap_is_told(self):
        self.send()
        last = self.all(2)["Next"]
        self.assertFalse(self.read(f"?after={last}")["Gap"])
        self.suite.qmctl("clock", "step", str(3 * 3600 * 1000))
        wait.until(lambda: self.read("?after=0")["Events"] == [], what="the end of the events")
        begin = time.monotonic()
        self.assertEqual(self.read(f"?after={last}&wait=1"), {"Events": [], "Next": last, "Gap": True})
        self.assertGreaterEqual(time.monotonic() - begin, 0.9, "a gap is no reason to ask again and again")

    def test_what_is_wrong(self):
        for query, code in (("?after=x", "protocol"), ("?after=-1", "protocol"), ("?after=9223372036854775808", "protocol"),
                            ("?bogus=1", "protocol"), ("?after=1&After=1", "protocol"), ("?after=", "protocol"), ("?after=%zz", "protocol"),
                            ("?limit=1001", "user"), ("?wait=61", "user")):
            answer = self.mjl.get("/webapi/v0/events" + query)
            self.assertEqual((answer.status, answer.code), (400, code), query)
        self.assertEqual(self.read("?after=9223372036854775807")["Events"], [])
        self.assertEqual(self.read("?After=9223372036854775807&LIMIT=1")["Events"], [])
        self.assertEqual(self.mjl.request("PUT", "/webapi/v0/events").status, 405)
        self.assertEqual(api.Api(self.mjl.address, 80, "mjl@mox.example", "wrong").get("/webapi/v0/events").status, 401)
        self.assertIn("text/html", self.anybody.get("/webapi/v0/events").headers["Content-Type"])


if __name__ == "__main__":
    case.main()
