"""An account's mailbox, as a client of the HTTP API sees it."""

import email
import email.policy
import smtplib

from harness import api, case, mailbox, suite

CONFIG = """
hostname mail.example.org
test-clock yes
listen web {{ address {us}  http 80  webapi yes  smtp 25 }}
domain mox.example {{ }}
account mjl {{ address mjl@mox.example  full-name "M J L" {mjl} }}
account other {{ address other@mox.example }}
"""
NEVER = 1 << 40


def message(subject, *fields):
    return "\r\n".join(["From: a@remote.example", f"Subject: {subject}", *fields, "", f"body of {subject}", ""])


class MailboxCase(case.LanCase):
    SETTINGS = ""
    SOFTWARE = []

    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", software=self.SOFTWARE)
        self.suite = suite.Suite(CONFIG.format(us=self.us.v4, mjl=self.SETTINGS), host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"mjl": "mjl password", "other": "other password"}))
        self.enterContext(self.suite)
        self.mjl = api.Api(self.us.v4, 80, "mjl@mox.example", "mjl password")
        self.other = api.Api(self.us.v4, 80, "other@mox.example", "other password")
        self.maildir = mailbox.Maildir(self.suite.folder / "state/mail/mjl")

    def ok(self, method, who=None, **request):
        answer = (who or self.mjl).call(method, request)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def code(self, method, who=None, **request):
        answer = (who or self.mjl).call(method, request)
        self.assertEqual(answer.status, 400, answer.body)
        return answer.code

    def raw(self, msg_id):
        answer = self.mjl.call("MessageRawGet", {"MsgID": msg_id})
        self.assertEqual((answer.status, answer.headers["Content-Type"].partition(";")[0]), (200, "text/plain"), answer.body)
        return answer.body

    def deliver(self, *subjects, recipient="mjl@mox.example"):
        before = len(self.maildir.files())
        with smtplib.SMTP(self.us.v4, 25, local_hostname="client.example", timeout=20) as client:
            for subject in subjects:
                client.sendmail("a@remote.example", [recipient], message(subject))
        self.maildir.wait(before + len(subjects))

    def listed(self, folder="Inbox", **request):
        return self.ok("MessageList", MailboxName=folder, **request)["Messages"]

    def ids(self, folder="Inbox"):
        """Subject -> MsgID of what is in the folder."""
        return {self.parsed(row["MsgID"])["Subject"]: row["MsgID"] for row in self.listed(folder)}

    def parsed(self, msg_id):
        return email.message_from_bytes(self.raw(msg_id), policy=email.policy.default)

    def flags(self, msg_id, folder="Inbox"):
        flags, = [row["Flags"] for row in self.listed(folder) if row["MsgID"] == msg_id]
        return flags


class Messages(MailboxCase):
    def test_a_delivered_message_is_listed_and_read(self):
        self.assertEqual(self.ok("MessageList"), {"Messages": [], "Next": ""})
        self.deliver("one", recipient="mjl+x@mox.example")
        row, = self.listed()
        received = row.pop("Received")
        self.assertRegex(received, r"^20\d\d-\d\d-\d\dT")
        self.assertEqual(row, {"MsgID": row["MsgID"], "Flags": [], "MailFrom": "a@remote.example",
                               "RcptTo": "mjl+x@mox.example"})
        qid = self.suite.find_log(m="mail accepted")[-1]["qid"]
        lines = self.raw(row["MsgID"]).split(b"\r\n")
        self.assertEqual(lines[:3], [b"Return-Path: <a@remote.example>", b"Delivered-To: mjl+x@mox.example",
                                     b"X-Quartermaster-ID: " + qid.encode()])
        self.assertTrue(lines[3].startswith(b"Received: from client.example"))
        self.assertEqual(lines[-2:], [b"body of one", b""])
        self.assertNotIn(b"\n", b"".join(lines))
        self.assertEqual(self.ok("MessageList", self.other), {"Messages": [], "Next": ""})
        self.assertEqual(self.code("MessageRawGet", self.other, MsgID=row["MsgID"]), "messageNotFound")

    def test_flags(self):
        self.deliver("one")
        msg_id = self.ids()["one"]
        self.assertEqual(self.ok("MessageFlagsAdd", MsgID=msg_id, Flags=[
            "\\SEEN", "$Forwarded", "\\Answered", "\\flagged", "\\draft", "\\deleted", "$junk", "$NOTJUNK", "$phishing",
            "$mdnsent", "Zebra", "apple"]), {})
        every = ["$forwarded", "$junk", "$mdnsent", "$notjunk", "$phishing", "\\answered", "\\deleted", "\\draft",
                 "\\flagged", "\\seen", "apple", "zebra"]
        self.assertEqual(self.flags(msg_id), every)
        path, = self.maildir.files()
        self.assertEqual((path.parent.name, path.name.rpartition(":")[2]), ("cur", "2,DFPRST"))
        self.assertEqual(self.ok("MessageFlagsAdd", MsgID=msg_id, Flags=["\\seen", "APPLE"]), {})
        self.assertEqual(self.flags(msg_id), every)
        self.assertEqual(self.ok("MessageFlagsRemove", MsgID=msg_id, Flags=every[:-1] + ["never"]), {})
        self.assertEqual(self.flags(msg_id), ["zebra"])
        self.assertEqual(self.maildir.files()[0].name.rpartition(":")[2], "2,")
        self.suite.stop()
        self.suite.start()
        self.assertEqual(self.flags(msg_id), ["zebra"])
        for flag in ("", "with space", "a(b", "a)", "{", "%", "*", '"', "\\", "\\recent", "]", "\u00fc", "x" * 129):
            self.assertEqual(self.code("MessageFlagsAdd", MsgID=NEVER, Flags=[flag]), "user", flag)
            self.assertEqual(self.code("MessageFlagsRemove", MsgID=msg_id, Flags=[flag]), "user", flag)
        for method in ("MessageFlagsAdd", "MessageFlagsRemove"):
            self.assertEqual(self.code(method, MsgID=NEVER, Flags=["\\seen"]), "messageNotFound")
            self.assertEqual(self.code(method, MsgID=0, Flags=["\\seen"]), "user")
        for i in range(2):
            self.assertEqual(self.ok("MessageFlagsAdd", MsgID=msg_id, Flags=[f"word{k}" for k in range(60 * i, 60 * i + 60)]), {})
        self.assertEqual(self.code("MessageFlagsAdd", MsgID=msg_id, Flags=[f"more{k}" for k in range(60)]), "user")
        self.assertEqual(len(self.flags(msg_id)), 121)

    def test_move_and_delete(self):
        self.deliver("one", "two")
        ids = self.ids()
        folder = self.maildir.path / ".Archive.2026"
        for name in ("", "Archive/2026", "archive", "Archive.2026", "../other", "new"):
            self.assertEqual(self.code("MessageMove", MsgID=NEVER, DestMailboxName=name), "user", name)
        self.suite.stop()
        self.make_folder(".Archive.2026")
        self.make_folder(".Entw&APw-rfe")
        self.suite.start()
        self.assertEqual(self.code("MessageMove", MsgID=NEVER, DestMailboxName="Archive/2026"), "messageNotFound")
        self.assertEqual(self.code("MessageMove", MsgID=0, DestMailboxName="Archive/2026"), "user")
        self.assertEqual(self.code("MessageMove", MsgID=ids["one"], DestMailboxName="Inbox"), "user")
        self.assertEqual(self.code("MessageMove", MsgID=ids["one"], DestMailboxName="archive/2026"), "user")
        name = next(path.name for path in self.maildir.files() if b"Subject: one" in path.read_bytes())
        self.assertEqual(self.ok("MessageMove", MsgID=ids["one"], DestMailboxName="Archive/2026"), {})
        self.assertEqual([path.name for path in (folder / "new").iterdir()], [name])
        self.assertEqual(self.ids(), {"two": ids["two"]})
        self.assertEqual(self.ids("Archive/2026"), {"one": ids["one"]})
        self.assertEqual(self.ok("MessageFlagsAdd", MsgID=ids["one"], Flags=["\\seen", "$junk"]), {})
        self.assertEqual(self.ok("MessageMove", MsgID=ids["one"], DestMailboxName="Entw\u00fcrfe"), {})
        self.assertEqual(self.flags(ids["one"], "Entw\u00fcrfe"), ["$junk", "\\seen"])
        self.assertEqual([path.name for path in (self.maildir.path / ".Entw&APw-rfe/cur").iterdir()], [name + ":2,S"])
        self.assertEqual(self.ok("MessageMove", MsgID=ids["one"], DestMailboxName="INBOX"), {})
        self.assertEqual(self.ids(), ids)
        self.assertEqual(self.code("MessageList", MailboxName="nowhere"), "user")
        self.assertEqual(self.code("MessageDelete", MsgID=0), "user")
        self.assertEqual(self.code("MessageDelete", MsgID=NEVER), "messageNotFound")
        self.assertEqual(self.code("MessageDelete", MsgID=-1), "messageNotFound")
        self.assertEqual(self.code("MessageDelete", self.other, MsgID=ids["one"]), "messageNotFound")
        self.assertEqual(self.ok("MessageDelete", MsgID=ids["one"]), {})
        self.removed(ids["one"])
        self.assertEqual(self.ids(), {"two": ids["two"]})
        self.assertEqual(self.code("MessageRawGet", MsgID=0), "server")
        self.assertEqual(self.code("MessageRawGet", MsgID=NEVER), "messageNotFound")
        for path in self.maildir.files():
            path.unlink()
        self.removed(ids["two"])

    def removed(self, msg_id):
        """What is said of a message that was there once."""
        self.assertEqual(self.code("MessageRawGet", MsgID=msg_id), "messageNotFound")
        self.assertEqual(self.code("MessageDelete", MsgID=msg_id), "user")
        self.assertEqual(self.code("MessageFlagsAdd", MsgID=msg_id, Flags=["\\seen"]), "user")
        self.assertEqual(self.code("MessageFlagsRemove", MsgID=msg_id, Flags=["\\seen"]), "user")
        self.assertEqual(self.code("MessageMove", MsgID=msg_id, DestMailboxName="Inbox"), "user")

    def make_folder(self, name):
        """A folder in the mailbox, as another program makes it: owned by whom the mailbox is."""
        self.us.run(["sh", "-c", f"cd '{self.maildir.path}' && mkdir '{name}' '{name}/new' '{name}/cur' '{name}/tmp'"
                     f" && chown -R --reference=. '{name}'"])

    def test_pages(self):
        self.deliver(*[f"m{i}" for i in range(23)])
        seen, after = [], ""
        while True:
            page = self.ok("MessageList", After=after, Limit=10)
            seen.append([row["MsgID"] for row in page["Messages"]])
            after = page["Next"]
            if not after:
                break
        self.assertEqual([len(ids) for ids in seen], [10, 10, 3])
        self.assertEqual(len({msg_id for ids in seen for msg_id in ids}), 23)
        self.assertEqual(sorted(self.parsed(msg_id)["Subject"] for ids in seen for msg_id in ids),
                         sorted(f"m{i}" for i in range(23)))
        for limit in (-1, 1001):
            self.assertEqual(self.code("MessageList", Limit=limit), "user")


if __name__ == "__main__":
    case.main()
