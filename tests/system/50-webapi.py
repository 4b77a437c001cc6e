"""The HTTP API as a client written for it sees it: paths, credentials, errors, and messages given to Send."""

import email
import email.policy
import gzip
import json
import urllib.parse

from harness import api, case, smtpsink, suite, wait

CONFIG = """
hostname mail.example.org
listen web {{
    address {us}
    http 80  webapi yes  metrics yes  http-host api.example.org
}}
listen proxied {{ address {us}  http 81  webapi yes  forwarded yes }}
listen numbers {{ address {us}  http 82  metrics yes }}
listen elsewhere {{ address {us}  http 83  webapi yes  webapi-path /api/mail }}
domain mox.example {{ dkim test {{ key-file "${{dir}}/dkim.pem" }} }}
domain disabled.example {{ disabled yes }}
account mjl {{
    address mjl@mox.example  mjl@disabled.example
    full-name "M J L"
    from-id-login mjl+fromid@mox.example
}}
domain catch.example {{ }}
account other {{ address other@mox.example  *@catch.example }}
account shut {{ address shut@mox.example  login-disabled yes }}
account small {{ address small@mox.example  messages-per-day 3  new-recipients-per-day 2 }}
transport sink {{ smtp {{ host {sink}  port 25  tls none }} }}
route {{ transport sink }}
webapi {{ request-size 1M  upload-size 2M }}
smtp {{ message-size 1500K  recipients 4 }}
"""
DKIM_KEY = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
"""
DECOMPOSED = "te\u0301st \u00a0\u2002\u200a"
COMPOSED = "t\u00e9st    "
JSON = "application/json; charset=utf-8"
TO = [{"Address": "a@example.net"}]


class WebapiCase(case.LanCase):
    """The suite on one host, an SMTP server that takes all mail on another."""

    extra = ""

    def setUp(self):
        super().setUp()
        us, sink = self.lan.host("us"), self.lan.host("sink")
        self.us, self.sink = us, smtpsink.SmtpSink(sink, 25)
        self.addCleanup(self.sink.close)
        self.suite = suite.Suite(CONFIG.format(us=us.v4, sink=sink.v4) + self.extra, host=us)
        self.suite.add_file("dkim.pem", DKIM_KEY)
        self.suite.add_file("state/credentials", api.credentials({"mjl": DECOMPOSED, "other": "other password", "small": "small password", "shut": "shut password"}))
        self.enterContext(self.suite)
        self.web = api.Api(us.v4, 80)
        self.mjl = api.Api(us.v4, 80, "mjl@mox.example", COMPOSED)

    def refused(self, answer, code):
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (400, JSON), answer.text)
        self.assertEqual(list(answer.json), ["Code", "Message"])
        self.assertEqual(answer.code, code, answer.text)
        self.assertTrue(answer.json["Message"])
        self.assertTrue(answer.text.endswith("}\n"))

    def sent(self, answer):
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, JSON), answer.text)
        self.assertEqual(list(answer.json), ["MessageID", "Submissions"])
        return answer.json

    def message(self, count=1):
        """The last of `count` messages that arrived."""
        mail = self.sink.wait(count)[-1]
        return email.message_from_bytes(mail.data.replace(b"\r\n", b"\n"), policy=email.policy.default), mail


class Pages(WebapiCase):
    def test_a_paths(self):
        for method, path, status, location in [
                ("GET", "/webapi/", 303, "/webapi/v0/"), ("POST", "/webapi/", 405, None),
                ("GET", "/webapi", 303, "/webapi/"), ("GET", "/", 303, "/webapi/v0/"),
                ("GET", "/webapi/v0", 308, "/webapi/v0/"), ("POST", "/webapi/v0", 308, "/webapi/v0/"),
                ("GET", "/webapi/v0/", 200, None), ("PUT", "/webapi/v0/", 200, None),
                ("GET", "/webapi/other/", 404, None), ("GET", "/webapi/v0/Send", 200, None),
                ("GET", "/webapi/./x/../v0/Send", 200, None), ("GET", "/webapi/v0/Bogus", 404, None),
                ("POST", "/webapi/v0/Bogus", 404, None), ("PUT", "/webapi/v0/Send", 405, None),
                ("HEAD", "/webapi/v0/Send", 405, None), ("OPTIONS", "/webapi/v0/Send", 405, None),
                ("POST", "/webapi/v0/Send", 401, None)]:
            answer = self.web.request(method, path)
            with self.subTest(f"{method} {path}"):
                self.assertEqual((answer.status, answer.headers["Location"]), (status, location))
                html = status == 200
                self.assertEqual(answer.headers["Content-Type"],
                                 "text/html; charset=utf-8" if html else "text/plain; charset=utf-8")
                self.assertEqual(answer.headers["X-Frame-Options"], "deny")
                self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
                self.assertEqual(answer.headers["Referrer-Policy"], "same-origin")
                self.assertEqual(answer.headers["Content-Security-Policy"], "default-src 'self' 'unsafe-inline' data:")
                self.assertIsNone(answer.headers["Access-Control-Allow-Origin"])

    def test_a_path_of_its_own(self):
        web = api.Api(self.us.v4, 83)
        for method, path, status, location in [
                ("GET", "/", 303, "/api/mail/v0/"), ("GET", "/api/mail", 303, "/api/mail/"), ("GET", "/api/mail/", 303, "/api/mail/v0/"),
                ("GET", "/api/mail/v0/openapi.json", 303, "/api/mail/openapi.json"), ("POST", "/api/mail/v0/Send", 401, None),
                ("GET", "/webapi/v0/Send", 404, None), ("GET", "/api/", 404, None)]:
            with self.subTest(f"{method} {path}"):
                answer = web.request(method, path)
                self.assertEqual((answer.status, answer.headers["Location"]), (status, location))
        self.assertIn(f"http://{self.us.v4}:83/api/mail/v0/Send", web.get("/api/mail/v0/Send").text)
        document = web.get("/api/mail/openapi.json").json
        self.assertIn("/api/mail/v0/Send", document["paths"])
        self.assertFalse([path for path in document["paths"] if not path.startswith("/api/mail/")])

    def test_b_pages_tell_how_to_call(self):
        page = self.web.get("/webapi/v0/Send").text
        self.assertIn(f"http://{self.us.v4}/webapi/v0/Send", page)
        self.assertIn("curl --user you@example.org:password", page)
        self.assertIn("noindex", page)
        answer = self.web.get("/webapi/v0/Send", Accept_Encoding="gzip")
        self.assertEqual(answer.headers["Content-Encoding"], "gzip")
        self.assertEqual(gzip.decompress(answer.body).decode(), page)

    def test_c_only_under_names_of_its_own(self):
        for host, status in [("localhost", 200), ("mail.example.org", 200), ("api.example.org:8443", 200),
                             ("192.0.2.99", 200), ("evil.example", 404)]:
            with self.subTest(host):
                self.assertEqual(self.web.get("/webapi/v0/", Host=host).status, status)
        numbers = api.Api(self.us.v4, 82)
        self.assertEqual(numbers.get("/webapi/v0/").status, 404)
        self.assertEqual(numbers.get("/metrics").status, 200)
        self.assertEqual(api.Api(self.us.v4, 81).get("/metrics").status, 404)

    def test_d_a_page_of_another_site_may_not_call(self):
        self.mjl.headers["Origin"] = "http://evil.example"
        self.assertEqual(self.mjl.call("Send", {"To": TO, "Text": "x"}).status, 403)
        self.mjl.headers["Origin"] = f"http://{self.us.v4}"
        self.sent(self.mjl.call("Send", {"To": TO, "Text": "x"}))

    def test_e_health_and_metrics(self):
        answer = self.web.get("/healthz")
        self.assertEqual((answer.status, answer.text), (200, "ok\n"))
        self.sent(self.mjl.call("Send", {"To": TO, "Text": "x"}))
        self.refused(self.mjl.call("Send", {"To": TO}), "missingBody")
        counters = 'quartermaster_process_restarts_total{process="qmgr"} 0\n'
        wait.until(lambda: counters in self.web.get("/metrics").text, what="the counters of all processes")
        answer = self.web.get("/metrics")
        self.assertEqual(answer.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        for line in ['quartermaster_webapi_results_total{method="Send",result="ok",process="webapi/0"} 1',
                     'quartermaster_webapi_results_total{method="Send",result="missingBody",process="webapi/0"} 1',
                     'quartermaster_webapi_submission_total{result="ok",process="webapi/0"} 1',
                     'quartermaster_webapi_duration_seconds_count{method="Send",process="webapi/0"} 2']:
            self.assertIn(line + "\n", answer.text)


class Credentials(WebapiCase):
    def attempt(self, password, web=None):
        web = web or self.web
        return web.request("POST", "/webapi/v0/Send", "", {"Authorization": api.basic("mjl@mox.example", password)})

    def test_a_none_are_asked_for_and_never_counted(self):
        for value in [None, "Basic", "Basic !!", "Bearer abc", "Basic bm9jb2xvbg=="] + [None] * 20:
            answer = self.web.request("POST", "/webapi/v0/Send", headers={"Authorization": value} if value else {})
            self.assertEqual(answer.status, 401)
            self.assertEqual(answer.headers["WWW-Authenticate"], "Basic realm=webapi")
        self.assertEqual(self.attempt(COMPOSED).status, 400)

    def test_b_too_many_wrong_ones(self):
        api.within_a_minute()
        answers = [self.attempt("badpassword") for _ in range(21)]
        self.assertEqual([answer.status for answer in answers], [401] * 10 + [429] * 11)
        self.assertEqual({answer.headers["Content-Type"] for answer in answers}, {"text/plain; charset=utf-8"})
        self.assertEqual(self.attempt(COMPOSED).status, 429)  # the right one neither

    def test_c_the_right_one_clears_the_count(self):
        for _ in range(3):
            for _ in range(9):
                self.assertEqual(self.attempt("badpassword").status, 401)
            self.refused(self.attempt(COMPOSED), "protocol")

    def test_d_spellings(self):
        self.refused(self.attempt(DECOMPOSED), "protocol")
        for login in ["MJL@Mox.Example", "mjl+any+thing@mox.example", "mjl@disabled.example"]:
            self.refused(api.Api(self.us.v4, 80, login, COMPOSED).post("Send", ""), "protocol")
        for login in ["mjl", "@mox.example", "nobody@mox.example", "mjl@elsewhere.example", "", "x" * 2000, "\u00e9@\u00e9"]:
            with self.subTest(login):
                self.assertEqual(api.Api(self.us.v4, 80, login, COMPOSED).post("Send", "").status, 401)
                self.refused(self.attempt(COMPOSED), "protocol")
        for login in ("any.thing@catch.example", "Other+x@CATCH.example"):
            self.refused(api.Api(self.us.v4, 80, login, "other password").post("Send", ""), "protocol")
            self.assertEqual(api.Api(self.us.v4, 80, login, COMPOSED).post("Send", "").status, 401)
        self.assertEqual(self.attempt("").status, 401)
        self.assertEqual(self.attempt("x" * 5000).status, 401)
        self.assertEqual(api.Api(self.us.v4, 80, "mjl@mox.example", "other password").post("Send", "").status, 401)

    def test_d_nobody_logs_in_to_a_disabled_account(self):
        api.within_a_minute()
        for password, text in (("shut password", "disabled"), ("other password", "wrong"), ("shut password", "disabled")):
            answer = api.Api(self.us.v4, 80, "shut@mox.example", password).post("Send", "")
            self.assertEqual((answer.status, answer.headers["WWW-Authenticate"]), (401, "Basic realm=webapi"))
            self.assertIn(text, answer.text)
        for _ in range(7):  # each counts
            self.assertEqual(api.Api(self.us.v4, 80, "shut@mox.example", "shut password").post("Send", "").status, 401)
        self.assertEqual(self.attempt(COMPOSED).status, 429)

    def test_e_behind_a_proxy(self):
        proxied = api.Api(self.us.v4, 81)
        answer = self.attempt(COMPOSED, proxied)
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (500, "text/plain; charset=utf-8"))
        proxied.headers["X-Forwarded-For"] = "nonsense"
        self.assertEqual(self.attempt(COMPOSED, proxied).status, 500)
        api.within_a_minute()
        for last in range(2):
            proxied.headers["X-Forwarded-For"] = f"198.51.100.{last} , 203.0.113.1"
            for _ in range(10):
                self.assertEqual(self.attempt("badpassword", proxied).status, 401)
            self.assertEqual(self.attempt("badpassword", proxied).status, 429)
        self.assertEqual(self.attempt(COMPOSED).status, 400)
        self.suite.wait_log(m="request", client="198.51.100.1", status="429")


class Requests(WebapiCase):
    def test_a_what_is_not_a_call(self):
        form = "application/x-www-form-urlencoded"
        for body, content_type in [
                ("{}", "application/json"), ("not formdata", "multipart/form-data"), ("request={}", None),
                ("request={}", "nonsense"), ("not encoded\n\n", form), ("request=%zz", form), ("", form),
                ("request=", form), ("request=notjson", form), ("request=[]", form), ("request=%7b%7d%7d", form),
                ("request=" + urllib.parse.quote('{"To":[],"to":[]}'), form),
                ("request=" + urllib.parse.quote('{"Bogus":1}'), form), ("request=" + "[" * 1000, form),
                ("request=" + "x" * (1 << 20), form), ("--b\r\n", "multipart/form-data; boundary=b")]:
            with self.subTest(f"{content_type}: {body[:40]}"):
                self.refused(self.mjl.post("Send", body, content_type), "protocol")
        answer = self.mjl.request("POST", "/webapi/v0/Send?request={}", "", {"Content-Type": form})
        self.refused(answer, "protocol")
        self.assertIsNone(answer.headers["Content-Encoding"])

    def test_b_what_cannot_be_sent(self):
        hi = {"To": TO, "Text": "hi"}
        address = [{"Address": "mjl@mox.example"}]
        for request, code in [
                ("null", "missingBody"), ({"To": TO, "Subject": "test"}, "missingBody"),
                ({**hi, "From": [{"Address": "other@mox.example"}]}, "badFrom"),
                ({**hi, "From": address * 2}, "multipleFrom"),
                ({"Subject": "test", "Text": "hi"}, "noRecipients"),
                ({**hi, "MessageID": "missingltgt@localhost"}, "malformedMessageID"),
                ({**hi, "From": [{"Address": "mjl@disabled.example"}]}, "domainDisabled"),
                ({**hi, "CC": [{"Address": "not an address"}]}, "badAddress"),
                ({**hi, "ReplyTo": [{"Address": ""}]}, "badAddress"),
                ({**hi, "To": TO * 5}, "user"), ({**hi, "Subject": "a\nb"}, "user"),
                ({**hi, "Headers": [["X-A", "b\r\nX-B: c"]]}, "user"),
                ({**hi, "AttachedFiles": [{"Data": "?"}]}, "user"),
                ({**hi, "FutureRelease": "2099-01-01T00:00:00Z"}, "user")]:
            with self.subTest(f"{code}: {str(request)[:60]}"):
                self.refused(self.mjl.call("Send", request), code)
        self.refused(self.mjl.upload("Send", {**hi, "Text": "\u00e9" * 300000}), "messageTooLarge")
        self.refused(self.mjl.upload("Send", hi, ("attachedfile", "a", None, None, bytes(1200000))), "messageTooLarge")
        self.refused(self.mjl.upload("Send", hi, ("attachedfile", "a", None, None, bytes(2200000))), "protocol")
        self.suite.wait_log(m="request", status="400", code="badFrom", account="mjl")
        self.assertEqual(self.sink.sessions, [])


class Send(WebapiCase):
    FULL = {
        "From": [{"Name": "m\u00f8x", "Address": "mjl@mox.example"}],
        "To": [{"Name": "m\u00f3x", "Address": "mjl+to@example.net"}, {"Address": "mjl+to2@example.net"}],
        "CC": [{"Name": "m\u00f6x", "Address": "mjl+cc@example.net"}],
        "BCC": [{"Name": "m\u00f8x", "Address": "mjl+bcc@example.net"}],
        "ReplyTo": [{"Name": "reply1", "Address": "mox+reply1@mox.example"},
                    {"Name": "reply2", "Address": "mox+reply2@mox.example"}],
        "MessageID": "<random@localhost>", "References": ["<messageid0@localhost>", "<messageid1@localhost>"],
        "Date": "2024-05-06T07:08:09.123456789+02:00", "Subject": "\u00a1hello world!", "Text": "hi \u263a\n",
        "HTML": '<html><img src="cid:x" /></html>', "Extra": {"a": "123"}, "Headers": [["x-custom", "header"]],
        "AlternativeFiles": [{"Name": "t.ics", "ContentType": "text/calendar", "Data": "QkVHSU4="}],
        "InlineFiles": [{"Name": "x.png", "ContentType": "image/png", "ContentID": "<x>", "Data": "cG5nIGRhdGE="}],
        "AttachedFiles": [{"Name": "", "ContentType": "", "ContentID": "", "Data": "JVBERi0="}],
        "RequireTLS": None, "FutureRelease": "2024-05-06T07:08:09Z", "SaveSent": True,
    }

    def test_a_a_full_message(self):
        result = self.sent(self.mjl.call("Send", self.FULL))
        self.assertEqual(result["MessageID"], "<random@localhost>")
        addresses = [f"mjl+{who}@example.net" for who in ("to", "to2", "cc", "bcc")]
        self.assertEqual([one["Address"] for one in result["Submissions"]], addresses)
        first = result["Submissions"][0]["QueueMsgID"]
        self.assertEqual([one["QueueMsgID"] for one in result["Submissions"]], list(range(first, first + 4)))
        self.assertEqual({one["FromID"] for one in result["Submissions"]}, {""})
        message, mail = self.message()
        self.assertEqual(mail.sender.split()[0], "<mjl@mox.example>")
        self.assertEqual([one.split()[0] for one in mail.recipients], [f"<{one}>" for one in addresses])
        names = [name.lower() for name in message.keys()]
        self.assertEqual(names[:2], ["dkim-signature", "received"])
        self.assertEqual(names[2:], ["from", "reply-to", "to", "cc", "subject", "date", "message-id", "references",
                                     "in-reply-to", "mime-version", "x-custom", "user-agent", "content-type",
                                     "content-transfer-encoding"])
        self.assertEqual(str(message["From"]), "m\u00f8x <mjl@mox.example>")
        self.assertEqual(message["Subject"], "\u00a1hello world!")
        self.assertEqual(message["Date"].datetime.isoformat(), "2024-05-06T07:08:09+02:00")
        self.assertIn("by mail.example.org with HTTP id", message["Received"])
        self.assertNotIn("for <", message["Received"])
        self.assertNotIn("192.0.2.254", message["Received"])
        self.assertIn("d=mox.example", message["DKIM-Signature"])
        mixed = message.get_content_type(), [part.get_content_type() for part in message.walk()]
        self.assertEqual(mixed, ("multipart/mixed", [
            "multipart/mixed", "multipart/related", "multipart/alternative", "text/plain", "text/html", "text/calendar",
            "image/png", "application/pdf"]))
        parts = list(message.walk())
        self.assertEqual(parts[3].get_content(), "hi \u263a\n")
        self.assertEqual(parts[4].get_content(), self.FULL["HTML"] + "\n")
        self.assertEqual((parts[6]["Content-ID"], parts[6].get_content()), ("<x>", b"png data"))
        self.suite.wait_log(p="qmgr", m="queued", rcpts="4", account="mjl")

    def test_b_a_form_with_uploads(self):
        request = {"To": [{"Address": "m\u00f8x@example.net"}], "Subject": "test", "Text": "hi",
                   "Headers": [["User-Agent", "test"]]}
        fromid = api.Api(self.us.v4, 80, "mjl+fromid@mox.example", COMPOSED)
        self.sink.extensions.append("SMTPUTF8")
        result = self.sent(fromid.upload(
            "Send", request, ("alternativefile", "t.ics", "text/calendar; method=REQUEST", None, b"BEGIN"),
            ("inlinefile", "test.pdf", "application/octet-stream", None, b"%PDF-"), ("inlinefile", "test.pdf", None, None, b"%PDF-"),
            ("attachedfile", "test.pdf", None, "<testpdf>", b"%PDF-"), ("other", "x", None, None, b"ignored"),
            ("attachedfile", "", "application/octet-stream", None, b"")))  # as browsers send a choice of no file
        self.assertEqual(len(result["Submissions"]), 1)
        self.assertEqual(result["Submissions"][0]["Address"], "m\u00f8x@example.net")
        message, mail = self.message()
        self.assertIn("SMTPUTF8", mail.sender)
        self.assertRegex(result["Submissions"][0]["FromID"], "^[a-z2-7]{26}$")
        self.assertEqual(mail.sender.split()[0], f"<mjl+{result['Submissions'][0]['FromID']}@mox.example>")
        self.assertEqual(message["User-Agent"], "test")
        self.assertEqual(str(message["From"]), "M J L <mjl+fromid@mox.example>")
        self.assertEqual([part.get_content_type() for part in message.walk()], [
            "multipart/mixed", "multipart/related", "multipart/alternative", "text/plain", "text/calendar",
            "application/octet-stream", "application/pdf", "application/pdf"])
        self.assertEqual(list(message.walk())[7]["Content-ID"], "<testpdf>")

    def test_c_the_signature_is_good(self):
        try:
            import dkim  # python3-dkim knows ed25519 when python3-nacl is there
        except ImportError:
            self.skipTest("python3-dkim is not there")
        self.sent(self.mjl.call("Send", self.FULL))
        _, mail = self.message()
        public = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
        record = f"v=DKIM1; k=ed25519; p={public}".encode()
        self.assertTrue(dkim.verify(mail.data, dnsfunc=lambda name, timeout=5: record))

    def test_d_one_recipient_is_named_in_the_trace(self):
        self.sent(self.mjl.call("Send", {"BCC": TO, "HTML": "<p>x</p>"}))
        message, _ = self.message()
        self.assertIn("for <a@example.net>;", message["Received"])
        self.assertEqual(message.get_content_type(), "text/html")
        self.assertIsNone(message["To"])
        self.assertRegex(message["Message-Id"], r"^<[A-Za-z0-9_-]{22}@mail\.example\.org>$")

    def test_e_names_in_any_case_and_answers_kept_short(self):
        result = self.mjl.call("Send", json.dumps({"to": TO, "TEXT": "<&>", "cc": None, "date": None, "MESSAGEID": "<a&b@c>"}))
        self.assertEqual(self.sent(result)["MessageID"], "<a&b@c>")
        self.assertIn('"<a&b@c>"', result.text)  # as it is, not for HTML
        self.assertEqual(result.text.count("\n"), 1)

    def test_f_later(self):
        import datetime
        later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=59)
        self.sent(self.mjl.call("Send", {"To": TO, "Text": "x", "FutureRelease": later.isoformat()}))
        self.sent(self.mjl.call("Send", {"To": TO, "Text": "now"}))
        message, _ = self.message()
        self.assertEqual(message.get_content(), "now\n")
        self.assertEqual(len(self.sink.mails), 1)

    def test_g_what_requires_tls_does_not_go_without(self):
        self.sent(self.mjl.call("Send", {"To": TO, "Text": "secret", "RequireTLS": True}))
        self.suite.wait_log(p="qmgr", m="failed", dsn="5.7.30")
        self.sent(self.mjl.call("Send", {"To": TO, "Text": "open", "RequireTLS": False}))
        message, mail = self.message()
        self.assertEqual(message.get_content(), "open\n")
        self.assertNotIn("REQUIRETLS", mail.sender)
        self.assertEqual(message.get_all("TLS-Required"), ["No"])
        self.assertEqual(len(self.sink.mails), 1)

    def test_g_the_same_key_sends_once(self):
        request = {"To": TO, "Subject": "once", "Text": "hi"}
        self.mjl.headers["Idempotency-Key"] = "order \u00e9 1042".encode().decode("latin-1")
        first = self.mjl.call("Send", request)
        self.assertEqual(first.status, 200, first.text)
        self.assertEqual(self.mjl.call("Send", request).json, first.json)
        shouted = api.Api(self.mjl.address, 80, "MJL@mox.example", COMPOSED, self.mjl.headers)
        self.assertEqual(shouted.call("Send", request).json, first.json)
        self.suite.wait_log(m="delivered")  # or it would be sent again
        self.suite.kill()
        self.suite.start()
        self.assertEqual(self.mjl.call("Send", request).json, first.json)
        other = self.mjl.call("Send", {**request, "Text": "something else"})
        self.assertEqual((other.status, other.code), (409, "idempotencyConflict"))
        file = ("attachedfile", "a.txt", "text/plain", None, b"octets")
        self.assertEqual(self.mjl.upload("Send", request, file).status, 409)
        for bad in ("", "x" * 257, "\xff"):
            self.mjl.headers["Idempotency-Key"] = bad
            self.assertEqual(self.mjl.call("Send", request).code, "user", bad)
        self.mjl.headers["Idempotency-Key"] = "x" * 256
        self.assertNotEqual(self.mjl.call("Send", request).json, first.json)
        self.assertEqual(len(self.sink.wait(2)), 2)

    def test_g_an_account_sends_so_much_a_day(self):
        small = api.Api(self.us.v4, 80, "small@mox.example", "small password")

        def send(*to):
            return small.call("Send", {"To": [{"Address": f"{name}@example.net"} for name in to], "Text": "hi"})
        self.refused(send("a", "b", "c"), "recipientLimitReached")
        self.assertEqual(send("a", "b").status, 200)
        self.refused(send("c"), "recipientLimitReached")
        self.assertEqual(send("a").status, 200)
        self.refused(send("a"), "messageLimitReached")

    def test_h_secrets_stay_out_of_the_log(self):
        self.sent(self.mjl.call("Send", {"To": TO, "Text": "the body", "Subject": "the subject"}))
        self.assertEqual(api.Api(self.us.v4, 80, "mjl@mox.example", "wrongsecret").post("Send", "").status, 401)
        self.suite.wait_log(m="request", status="401")
        log = self.suite.log_path.read_text(errors="replace")
        for secret in (COMPOSED, DECOMPOSED, "wrongsecret", "the body", self.mjl.headers["Authorization"][6:]):
            self.assertNotIn(secret, log)
        entry = self.suite.wait_log(m="request", account="mjl")
        self.assertEqual((entry["method"], entry["path"], entry["status"], entry["client"]),
                         ("POST", "/webapi/v0/Send", "200", "192.0.2.254"))


if __name__ == "__main__":
    case.main()
