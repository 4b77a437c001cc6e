"""The suppression list of an account, as a client of the HTTP API sees it."""

from harness import api, case, suite

CONFIG = """
hostname mail.example.org
listen web {{ address {us}  http 80  webapi yes }}
domain mox.example {{ }}
account mjl {{ address mjl@mox.example }}
account other {{ address other@mox.example }}
"""


class Suppression(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us")
        self.suite = suite.Suite(CONFIG.format(us=self.us.v4), host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"mjl": "mjl password", "other": "other password"}))
        self.enterContext(self.suite)
        self.mjl = api.Api(self.us.v4, 80, "mjl@mox.example", "mjl password")
        self.other = api.Api(self.us.v4, 80, "other@mox.example", "other password")

    def ok(self, who, method, **request):
        answer = who.call(method, request)
        self.assertEqual(answer.status, 200, answer.text)
        return answer.json

    def code(self, who, method, **request):
        answer = who.call(method, request)
        self.assertEqual(answer.status, 400, answer.text)
        return answer.code

    def test_an_address_and_its_variants(self):
        self.assertEqual(self.ok(self.mjl, "SuppressionList"), {"Suppressions": [], "Next": ""})
        self.assertEqual(self.ok(self.mjl, "SuppressionAdd", EmailAddress="Remote.Last-catchall@b\u00fccher.example",
                                 Manual=True, Reason="they asked"), {})
        self.assertEqual(self.code(self.mjl, "SuppressionAdd", EmailAddress="remotelast+x@xn--bcher-kva.example"), "error")
        self.assertEqual(self.code(self.mjl, "SuppressionAdd", EmailAddress="nobody"), "badAddress")
        row, = self.ok(self.mjl, "SuppressionList")["Suppressions"]
        self.assertEqual({key: row[key] for key in row if key not in ("ID", "Created")},
                         {"Account": "mjl", "BaseAddress": "remotelast@b\u00fccher.example",
                          "OriginalAddress": "Remote.Last-catchall@b\u00fccher.example", "Manual": True,
                          "Reason": "they asked"})
        self.assertEqual(self.ok(self.mjl, "SuppressionPresent", EmailAddress="remote.last@b\u00fccher.example"),
                         {"Present": True})
        self.assertEqual(self.ok(self.other, "SuppressionPresent", EmailAddress="remote.last@b\u00fccher.example"),
                         {"Present": False})
        self.suite.stop()
        self.suite.start()
        self.assertEqual(self.ok(self.mjl, "SuppressionRemove", EmailAddress="remotelast-y@b\u00fccher.example"), {})
        self.assertEqual(self.code(self.mjl, "SuppressionRemove", EmailAddress="remotelast@b\u00fccher.example"), "error")
        self.assertEqual(self.code(self.mjl, "SuppressionRemove", EmailAddress="@"), "badAddress")
        self.assertEqual(self.code(self.mjl, "SuppressionPresent", EmailAddress=""), "badAddress")

    def test_a_list_of_several_pages(self):
        for i in range(1100):
            self.ok(self.mjl, "SuppressionAdd", EmailAddress=f"user{i}@example.net")
        self.ok(self.other, "SuppressionAdd", EmailAddress="user0@example.net")
        rows = self.ok(self.mjl, "SuppressionList")["Suppressions"]
        self.assertEqual({row["OriginalAddress"] for row in rows}, {f"user{i}@example.net" for i in range(1100)})
        self.assertEqual(len({row["ID"] for row in rows}), 1100)
        pages, page = [], {"Next": ""}
        while not pages or page["Next"]:
            page = self.ok(self.mjl, "SuppressionList", Limit=300, After=page["Next"])
            pages.append(page["Suppressions"])
        self.assertEqual([len(page) for page in pages], [300, 300, 300, 200])
        self.assertEqual([row for page in pages for row in page], rows)
        for wrong in ({"Limit": 1001}, {"Limit": -1}, {"After": "12"}, {"After": "0123456789abcdeg"}):
            self.assertEqual(self.code(self.mjl, "SuppressionList", **wrong), "user", wrong)


if __name__ == "__main__":
    case.main()
