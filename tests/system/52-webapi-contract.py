"""The contract of the HTTP API line by line: what is checked before what, what answers look like, what the JSON may be,
and that the description for machines says the same."""

import gzip
import json
import urllib.parse

import jsonschema

from harness import api, case, smtpsink, suite

CONFIG = """
hostname mail.example.org
listen web {{ address {us}  http 80  webapi yes  metrics yes }}
listen proxied {{ address {us}  http 81  webapi yes  forwarded yes }}
domain mox.example {{ catchall-separator "+" }}
domain disabled.example {{ disabled yes }}
account mjl {{ address mjl@mox.example  mjl@disabled.example }}
account other {{ address other@mox.example }}
transport sink {{ smtp {{ host {sink}  port 25  tls none }} }}
route {{ transport sink }}
webapi {{ auth-failures-minute 5 }}
"""
FORM = "application/x-www-form-urlencoded"
JSON, TEXT, HTML = "application/json; charset=utf-8", "text/plain; charset=utf-8", "text/html; charset=utf-8"
TO = [{"Address": "a@example.net"}]
COMMON = {"X-Frame-Options": "deny", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
          "Content-Security-Policy": "default-src 'self' 'unsafe-inline' data:"}


class ContractCase(case.LanCase):
    def setUp(self):
        super().setUp()
        us, sink = self.lan.host("us"), self.lan.host("sink")
        self.us, self.sink = us, smtpsink.SmtpSink(sink, 25)
        self.addCleanup(self.sink.close)
        self.suite = suite.Suite(CONFIG.format(us=us.v4, sink=sink.v4), host=us)
        self.suite.add_file("state/credentials", api.credentials({"mjl": "secret", "other": "other"}))
        self.enterContext(self.suite)
        self.web = api.Api(us.v4, 80)
        self.mjl = api.Api(us.v4, 80, "mjl@mox.example", "secret")
        self.wrong = api.Api(us.v4, 80, "mjl@mox.example", "wrong")
        self.proxied = api.Api(us.v4, 81, "mjl@mox.example", "secret")


class Order(ContractCase):
    def test_a_each_check_comes_before_those_behind_it(self):
        # Every request has all the faults of those behind it, too.
        bad = {"Content-Type": "nonsense"}
        forwarded = {"X-Forwarded-For": "198.51.100.7"}
        api.within_a_minute(20)
        table = [
            ("the host", self.web, "POST", "/webapi/v0/Bogus", {"Host": "evil.example", **bad}, 404),
            ("the version", self.web, "PUT", "/webapi/v1/Send", bad, 404),
            ("the method of the API", self.web, "PUT", "/webapi/v0/Bogus", bad, 404),
            ("the method of HTTP", self.web, "PUT", "/webapi/v0/Send", bad, 405),
            ("another site's page", self.web, "POST", "/webapi/v0/Send", {"Origin": "http://evil.example", **bad}, 403),
            ("no credentials", self.web, "POST", "/webapi/v0/Send", bad, 401),
            ("none, behind a proxy that tells nothing", api.Api(self.us.v4, 81), "POST", "/webapi/v0/Send", bad, 401),
            ("a proxy that tells nothing", self.proxied, "POST", "/webapi/v0/Send", bad, 500),
            ("the password", self.wrong, "POST", "/webapi/v0/Send", bad, 401),
            ("the content type", self.mjl, "POST", "/webapi/v0/Send", bad, 400),
            ("the content type, behind a proxy", self.proxied, "POST", "/webapi/v0/Send", {**forwarded, **bad}, 400),
        ]
        for what, who, method, path, headers, status in table:
            with self.subTest(what):
                answer = who.request(method, path, "x", headers)
                self.assertEqual(answer.status, status, answer.text)
                self.assertEqual(answer.headers["Content-Type"], JSON if status == 400 else TEXT)
                self.assertEqual(answer.headers["WWW-Authenticate"], "Basic realm=webapi" if status == 401 else None)
                if status == 400:
                    self.assertEqual(answer.code, "protocol")

    def test_b_too_many_wrong_passwords_come_before_the_right_one(self):
        api.within_a_minute(20)
        self.assertEqual([self.wrong.post("Send", "").status for _ in range(6)], [401] * 5 + [429])
        self.assertEqual(self.mjl.call("Send", {"To": TO, "Text": "x"}).status, 429)
        self.assertEqual(self.web.post("Send", "").status, 401)  # without credentials nothing is tried

    def test_c_the_form_before_the_field_before_the_json_before_the_request(self):
        form = {"Content-Type": FORM}
        quote = urllib.parse.quote
        table = [
            ("a form's escape", "request=%zz", form), ("no field", "other={}", form), ("an empty field", "request=", form),
            ("only in the URL", "", form), ("another case", "Request={}", form), ("JSON as the body", "{}",
            {"Content-Type": "application/json"}), ("no type", "request={}", {}), ("text", "request={}",
            {"Content-Type": "text/plain"}), ("not JSON", "request={", form), ("an unknown field before an empty body",
            "request=" + quote('{"Bogus":1}'), form), ("a wrong type before two in From", "request=" +
            quote('{"From":[{},{}],"Text":5}'), form), ("a boundary that is none", "x", {"Content-Type": "multipart/form-data"}),
        ]
        for what, body, headers in table:
            with self.subTest(what):
                answer = self.mjl.request("POST", "/webapi/v0/Send?request={}", body, headers)
                self.assertEqual((answer.status, answer.headers["Content-Type"]), (400, JSON))
                self.assertEqual((list(answer.json), answer.code), (["Code", "Message"], "protocol"))
                self.assertTrue(answer.text.endswith("}\n") and answer.text.count("\n") == 1)

    def test_d_what_is_wrong_with_a_message_in_the_order_that_clients_know(self):
        request = {"MessageID": "no", "Subject": "a\nb", "ReplyTo": [{"Address": "no"}], "FutureRelease": "2099-01-01T00:00:00Z",
                   "From": [{"Address": "other@mox.example"}, {"Address": "x"}], "CC": [{"Address": "no"}], "AttachedFiles": [{"Data": "?"}]}
        steps = [("missingBody", {"Text": "x"}), ("multipleFrom", {"From": [{"Address": "no", "Name": "a\tb"}]}),
                 ("user", {"From": [{"Address": "no"}]}), ("badAddress", {"From": [{"Address": "mjl@disabled.example"}]}),
                 ("badAddress", {"CC": []}), ("domainDisabled", {"From": [{"Address": "other@mox.example"}]}),
                 ("badFrom", {"From": [{"Address": "mjl+x@mox.example"}]}), ("noRecipients", {"To": TO}),
                 ("badAddress", {"ReplyTo": []}), ("user", {"Subject": "a b"}), ("malformedMessageID", {"MessageID": "<a@b>"}),
                 ("user", {"AttachedFiles": []}), ("user", {"FutureRelease": None})]
        for code, mend in steps:
            answer = self.mjl.call("Send", request)
            self.assertEqual((answer.status, answer.code), (400, code), (mend, answer.text))
            request.update(mend)
        self.assertEqual(self.mjl.call("Send", request).status, 200)


class Json(ContractCase):
    GOOD = [
        '{"To":[{"Address":"a@example.net"}],"Text":"x"}', ' {"To" : [ {"Address":"a@example.net"} ] ,\r\n\t"Text":"x" } \n',
        '{"to":[{"ADDRESS":"a@example.net","name":null}],"tExT":"x","From":null,"Date":null,"Extra":null,"Headers":null}',
        '{"To":[{"Address":"a@example.net"}],"Text":"\\ud83d\\ude00 \\u00e9 \\/ \\b\\f\\n","SaveSent":null,"RequireTLS":null}',
        '{"To":[{"Address":"a@example.net"}],"Text":"x","Headers":[["X-A","a"],["X-B","b","dropped"]]}',
        '{"To":[{"Address":"a@example.net"}],"Text":"x","Date":"2024-05-06T07:08:09.123456789+02:00","Extra":{"":"","a":"b"}}',
    ]
    BAD = [
        '', ' ', 'x', '[]', '"x"', '1', 'true', '{}{}', '{} x', '{}\n{}', '{"Text":"x",}', '{"Text" "x"}', "{'Text':'x'}", '{Text:"x"}',
        '{"Text":"x"', '{"Text":"x}', '{"Text":"\x01"}', '{"Text":"\\x"}', '{"Text":"\\ud800"}', '{"Text":"\\u0000"}', '{"Text":NaN}',
        '{"Bogus":1}', '{"Text":"x","Text":"y"}', '{"Text":"x","text":"y"}', '{"To":[{"Address":"a","address":"b"}]}',
        '{"Extra":{"a":"1","a":"2"}}', '{"Text":1}', '{"Text":[]}', '{"Text":{}}', '{"Text":true}', '{"To":{}}', '{"To":"a"}', '{"To":[1]}',
        '{"To":["a"]}', '{"To":[{"Address":1}]}', '{"To":[{"Bogus":1}]}', '{"To":[[]]}', '{"SaveSent":1}', '{"SaveSent":"true"}',
        '{"RequireTLS":0}', '{"Date":1}', '{"Date":"yesterday"}', '{"Date":"2024-05-06"}', '{"Date":"2024-13-06T07:08:09Z"}',
        '{"Extra":[]}', '{"Extra":{"a":1}}', '{"Headers":["a"]}', '{"Headers":[[1,2]]}', '{"References":"x"}', '{"References":[1]}',
        '{"AttachedFiles":[{"Data":1}]}', '{"Text":01}', '{"Text":1e5}', '\ufeff{}', '{"Te\\u0000xt":"x"}',
    ]

    def test_a_json_that_is_taken(self):
        for text in self.GOOD:
            with self.subTest(text):
                answer = self.mjl.call("Send", text)
                self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, JSON), answer.text)

    def test_b_json_that_is_not(self):
        for text in self.BAD:
            with self.subTest(text):
                answer = self.mjl.call("Send", text)
                self.assertEqual((answer.status, answer.code), (400, "protocol"), answer.text)
        self.assertEqual(self.sink.sessions, [])

    def test_c_the_field_may_be_sent_as_json_in_a_multipart_form(self):
        body = ('--b\r\nContent-Disposition: form-data; name="request"\r\nContent-Type: application/json\r\n\r\n'
                '{"To":[{"Address":"a@example.net"}],"Text":"x"}\r\n--b--\r\n')
        self.assertEqual(self.mjl.post("Send", body, "multipart/form-data; boundary=b").status, 200)

    def test_d_answers_are_one_line_and_say_no_null(self):
        answer = self.mjl.call("Send", {"To": TO, "Text": "x", "MessageID": "<a&b@c>"})
        self.assertEqual(answer.text, '{"MessageID":"<a&b@c>","Submissions":[{"Address":"a@example.net","QueueMsgID":%d,'
                                      '"FromID":""}]}\n' % answer.json["Submissions"][0]["QueueMsgID"])


class Headers(ContractCase):
    def test_a_every_answer_has_the_common_ones_and_its_type(self):
        table = [("GET", "/webapi/v0/", 200, HTML), ("POST", "/webapi/v0/", 200, HTML), ("GET", "/webapi/v0/Send", 200, HTML),
                 ("GET", "/webapi/openapi.json", 200, JSON), ("HEAD", "/webapi/openapi.json", 200, JSON), ("POST", "/webapi/openapi.json", 405, TEXT),
                 ("GET", "/webapi/v0/openapi.json", 303, TEXT), ("GET", "/", 303, TEXT), ("GET", "/webapi", 303, TEXT), ("GET", "/webapi/", 303, TEXT),
                 ("GET", "/webapi/v0", 308, TEXT), ("HEAD", "/webapi/v0/Send", 405, TEXT), ("POST", "/healthz", 405, TEXT),
                 ("GET", "/webapi/v1/", 404, TEXT), ("DELETE", "/webapi/v0/Send", 405, TEXT), ("OPTIONS", "/webapi/v0/Send", 405, TEXT),
                 ("POST", "/webapi/v0/Send", 401, TEXT), ("GET", "/healthz", 200, TEXT)]
        for method, path, status, kind in table:
            with self.subTest(f"{method} {path}"):
                answer = self.web.request(method, path, headers={"Origin": f"http://{self.us.v4}"})
                self.assertEqual((answer.status, answer.headers["Content-Type"]), (status, kind))
                self.assertEqual({name: answer.headers[name] for name in COMMON}, COMMON)
                self.assertEqual([name for name in answer.headers if name.lower().startswith("access-control")], [])
                self.assertEqual(answer.headers["Location"] is not None, status in (303, 308))
                allow = None if status != 405 else "GET, POST" if path.endswith("/Send") else "GET, HEAD"
                self.assertEqual(answer.headers["Allow"], allow)

    def test_b_compressed_is_what_is_fine_and_long_enough_for_who_asks(self):
        many = {"To": [{"Address": f"a{i}@example.net"} for i in range(20)], "Text": "x"}
        form = {"Content-Type": FORM}
        request = lambda value: "request=" + urllib.parse.quote(json.dumps(value))  # noqa: E731
        table = [("GET", "/webapi/v0/", "", True), ("GET", "/webapi/openapi.json", "", True), ("GET", "/metrics", "", True),
                 ("POST", "/webapi/v0/Send", request(many), True), ("POST", "/webapi/v0/Send", request({"Bogus" * 200: 1}), False),
                 ("POST", "/webapi/v0/Send", request({"To": TO, "Text": "x"}), False), ("GET", "/healthz", "", False),
                 ("GET", "/nothing", "", False)]
        for method, path, body, compressed in table:
            for accept in ("gzip", "deflate, gzip;q=0.5, br", "x, *", "identity", "gzip;q=0", ""):
                with self.subTest(f"{method} {path} for {accept}"):
                    answer = self.mjl.request(method, path, body, {"Accept-Encoding": accept, **form})
                    wanted = compressed and accept not in ("identity", "gzip;q=0", "")
                    self.assertEqual(answer.headers["Content-Encoding"], "gzip" if wanted else None)
                    self.assertEqual(answer.headers["Content-Length"], str(len(answer.body)))
                    text = gzip.decompress(answer.body) if wanted else answer.body
                    if answer.headers["Content-Type"] == JSON:
                        json.loads(text)


class Description(ContractCase):
    def setUp(self):
        super().setUp()
        answer = self.web.get("/webapi/openapi.json")
        self.document = answer.json

    def resolve(self, node):
        """What a node is, when it is a reference."""
        while "$ref" in node:
            self.assertTrue(node["$ref"].startswith("#/"), node)
            target = self.document
            for word in node["$ref"][2:].split("/"):
                target = target[word]
            node = target
        return node

    def validator(self, name):
        root = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": f"#/components/schemas/{name}",
                "components": self.document["components"]}
        return jsonschema.Draft202012Validator(root)

    def walk(self, node):
        yield node
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from self.walk(child)

    def test_a_it_is_openapi_3_1(self):
        document = self.document
        self.assertEqual(document["openapi"], "3.1.0")
        self.assertEqual(set(document), {"openapi", "info", "servers", "security", "paths", "webhooks", "components"})
        self.assertLessEqual({"title", "version"}, set(document["info"]))
        self.assertEqual(document["servers"], [{"url": f"http://{self.us.v4}"}])
        for name, schema in document["components"]["schemas"].items():
            self.assertRegex(name, r"^[A-Za-z0-9._-]+$")
            jsonschema.Draft202012Validator.check_schema(schema)
        for node in self.walk(document):
            if isinstance(node, dict) and isinstance(node.get("$ref"), str):
                self.assertEqual(list(node), ["$ref"] if "description" not in node else ["$ref", "description"])
                self.assertTrue(self.resolve(node))
        schemes = document["components"]["securitySchemes"]
        for requirement in document["security"]:
            self.assertLessEqual(set(requirement), set(schemes))
        operations = [one for item in (*document["paths"].values(), *document["webhooks"].values()) for one in item.values()]
        self.assertEqual(len({one["operationId"] for one in operations}), len(operations))
        for path, item in document["paths"].items():
            self.assertRegex(path, r"^/webapi/(v0/[A-Za-z]+|openapi.json)$")
            self.assertLessEqual(set(item), {"get", "post"})
            self.assertEqual("requestBody" in item.get("get", {}), False)
        for one in operations:
            self.assertTrue(one["responses"])
            for status, response in one["responses"].items():
                self.assertRegex(status, r"^[1-5]\d\d$")
                self.assertTrue(self.resolve(response)["description"])
            for parameter in one.get("parameters", []):
                self.assertEqual(set(parameter), {"name", "in", "description", "required", "schema"})
                self.assertIn(parameter["in"], ("query", "header"))
                jsonschema.Draft202012Validator.check_schema(parameter["schema"])
            for media in one.get("requestBody", {"content": {}})["content"].values():
                self.assertTrue(self.resolve(media["schema"]))

    def test_b_its_methods_are_those_of_the_index_and_its_examples_are_good(self):
        index = self.web.get("/webapi/v0/").text
        calls = {path: item for path, item in self.document["paths"].items() if "post" in item}
        for path, item in calls.items():
            name = path.rsplit("/", 1)[1]
            with self.subTest(name):
                self.assertIn(f'<a href="{name}">', index)
                for media in item["post"]["requestBody"]["content"].values():
                    self.assertEqual(media["encoding"], {"request": {"contentType": "application/json"}})
                    for example in media["examples"].values():
                        self.validator(f"{name}Request").validate(example["value"]["request"])
                success = item["post"]["responses"]["200"]["content"]
                if "application/json" in success:
                    self.validator(f"{name}Response").validate(success["application/json"]["example"])
        self.assertEqual(index.count("<tr><td><a href="), len(calls))

    def test_c_what_it_says_of_requests_is_what_is_taken(self):
        # Each example is sent, and what the schema refuses is refused. null, which any field may be, is not in it.
        validator = self.validator("SendRequest")
        for text in Json.BAD:
            try:
                value = json.loads(text)
            except ValueError:
                continue
            twice = text.lower().count('"text"') > 1 or text.lower().count('"a') > 1
            # Keys given twice, names in another case and times are beyond what a schema tells.
            if not twice and "Date" not in text and "\\u" not in text:
                with self.subTest(text):
                    self.assertFalse(validator.is_valid(value))
        request = dict(self.document["paths"]["/webapi/v0/Send"]["post"]["requestBody"]["content"][FORM]["examples"]["whole"]
                       ["value"]["request"])
        answer = self.mjl.call("Send", request)
        self.assertEqual(answer.status, 200, answer.text)
        self.validator("SendResponse").validate(answer.json)
        refusal = self.mjl.call("Send", {})
        self.validator("Error").validate(refusal.json)

    def test_c_what_it_says_of_parameters_is_so(self):
        send, events = (self.document["paths"][f"/webapi/v0/{name}"] for name in ("Send", "events"))
        key, = send["post"]["parameters"]
        self.assertEqual((key["name"], key["in"], key["schema"]),
                         ("Idempotency-Key", "header", {"type": "string", "minLength": 1, "maxLength": 256}))
        self.assertEqual([path for path, item in self.document["paths"].items() if "parameters" in item.get("post", {})],
                         ["/webapi/v0/Send"])
        self.assertEqual([path for path, item in self.document["paths"].items() if "get" in item],
                         ["/webapi/v0/events", "/webapi/openapi.json"])
        self.assertEqual(self.document["paths"]["/webapi/openapi.json"]["get"]["security"], [])
        self.assertEqual(self.mjl.call("Send", {"To": TO, "Text": "x"}).status, 200)
        query = {one["name"]: 1 for one in events["get"]["parameters"]}
        self.assertEqual(list(query), ["after", "limit", "wait"])
        answer = self.mjl.get("/webapi/v0/events?" + urllib.parse.urlencode({**query, "after": 0}))
        self.assertEqual((answer.status, len(answer.json["Events"])), (200, 1))
        self.validator("eventsResponse").validate(answer.json)
        for name in query:
            self.assertEqual(self.mjl.get(f"/webapi/v0/events?{name}=x").code, "protocol")

    def test_d_the_link_beside_the_methods_leads_to_it(self):
        answer = self.web.get("/webapi/v0/openapi.json")
        self.assertEqual((answer.status, answer.headers["Location"]), (303, "/webapi/openapi.json"))
        self.assertIn('href="/webapi/openapi.json"', self.web.get("/webapi/v0/").text)


if __name__ == "__main__":
    case.main()
