"""An account's mailbox, as a client of the HTTP API sees it."""

import base64
import email
import email.policy
import http.client
import os
import re
import signal
import smtplib
import threading

from harness import api, case, dovecot, mailbox, net, suite, wait

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


def structure(part):
    """What Python makes of a message, as the API has it."""
    parts = [structure(one) for one in part.get_payload()] if part.is_multipart() else []
    return {"ContentType": part.get_content_type(), "ContentTypeParams": dict(part.get_params()[1:]),
            "ContentID": part["Content-ID"] or "", "ContentDisposition": part.get_content_disposition() or "",
            "Filename": part.get_filename(""), "DecodedSize": 0 if parts else len(part.get_payload(decode=True)), "Parts": parts}


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

    def test_parts(self):
        text = message("parts", "To: =?utf-8?q?M_J_L?= <mjl@mox.example>", "Cc: c@xn--bcher-kva.example",
                       "Message-Id: <Parts@remote.example>", "References: <a@x> <B@x>", "In-Reply-To: <r@x>",
                       "Date: Fri, 27 Nov 2026 10:15:00 +0100", "MIME-Version: 1.0",
                       "Content-Type: multipart/mixed; boundary=b", "", "--b", "Content-Type: multipart/alternative; boundary=c",
                       "", "--c", "Content-Type: text/plain; charset=iso-8859-1", "Content-Transfer-Encoding: quoted-printable",
                       "", "gr=FC=DFe", "--c", "Content-Type: text/html", "", "<b>hi</b>", "--c--", "--b",
                       "Content-Type: application/pdf; name=x.pdf", "Content-Disposition: attachment; filename=y.pdf",
                       "Content-Transfer-Encoding: base64", "", "JVBERi0xLjQK", "--b--").partition("\r\n\r\nbody")[0] + "\r\n"
        with smtplib.SMTP(self.us.v4, 25, local_hostname="client.example", timeout=20) as client:
            client.sendmail("a@xn--bcher-kva.example", ["mjl+t@mox.example"], text)
        self.maildir.wait(1)
        row, = self.listed()
        got = self.ok("MessageGet", MsgID=row["MsgID"])
        self.assertEqual(got["Message"] | {"Date": None}, {
            "From": [{"Name": "", "Address": "a@remote.example"}], "To": [{"Name": "M J L", "Address": "mjl@mox.example"}],
            "CC": [{"Name": "", "Address": "c@b\u00fccher.example"}], "BCC": [], "ReplyTo": [],
            "MessageID": "<Parts@remote.example>", "References": ["<r@x>", "<a@x>", "<B@x>"], "Date": None,
            "Subject": "parts", "Text": "gr\u00fc\u00dfe", "HTML": "<b>hi</b>"})
        top = got["Structure"]
        self.assertEqual([top["ContentType"], [p["ContentType"] for p in top["Parts"]], top["Parts"][1]["Filename"]],
                         ["multipart/mixed", ["multipart/alternative", "application/pdf"], "y.pdf"])
        size = len(self.raw(row["MsgID"]))
        self.assertEqual(got["Meta"], {
            "Size": size, "DSN": False, "Flags": [], "MailFrom": "a@xn--bcher-kva.example", "MailFromValidated": False,
            "RcptTo": "mjl+t@mox.example", "MsgFrom": "a@remote.example", "MsgFromValidated": False,
            "DKIMVerifiedDomains": [], "RemoteIP": net.TEST_V4, "MailboxName": "Inbox"})
        for path, octets in (([0, 0], "gr\u00fc\u00dfe".encode("latin-1")), ([0, 1], b"<b>hi</b>"), ([1], b"%PDF-1.4\n")):
            answer = self.mjl.call("MessagePartGet", {"MsgID": row["MsgID"], "PartPath": path})
            self.assertEqual((answer.status, answer.body), (200, octets))
        self.assertEqual(answer.headers["Content-Type"], "application/pdf")
        whole = self.mjl.call("MessagePartGet", {"MsgID": row["MsgID"], "PartPath": []})
        self.assertTrue(whole.body.startswith(b"--b\r\nContent-Type: multipart/alternative"))
        for path in ([2], [0, 2], [1, 0], [-1], [0, 0, 0]):
            self.assertEqual(self.code("MessagePartGet", MsgID=row["MsgID"], PartPath=path), "partNotFound")
        for method in ("MessageGet", "MessagePartGet"):
            self.assertEqual(self.code(method, MsgID=0), "server")
            self.assertEqual(self.code(method, MsgID=NEVER), "messageNotFound")
        self.ok("MessageDelete", MsgID=row["MsgID"])
        for method in ("MessageGet", "MessagePartGet"):
            self.assertEqual(self.code(method, MsgID=row["MsgID"]), "messageNotFound")
        self.suite.qmctl("clock", "step", 721 * 3600_000)
        wait.until(lambda: self.code("MessageDelete", MsgID=row["MsgID"]) == "messageNotFound", 10, "forgotten")

    SENT = {"To": [{"Address": "mjl+1@mox.example"}], "CC": [{"Name": "O \u00f6", "Address": "other@mox.example"}],
            "BCC": [{"Name": "B", "Address": "mjl+2@mox.example"}], "Subject": "sent", "Text": "hi\n", "HTML": "<p>hi",
            "SaveSent": True}

    def test_a_copy_of_what_is_sent(self):
        self.ok("Send", **self.SENT)
        self.assertFalse((self.maildir.path / ".Sent").exists())
        self.maildir.wait(2)
        self.make_folder(".Sent")
        answer = self.ok("Send", **self.SENT)
        row, = self.listed("Sent")
        self.assertEqual(row["Flags"], ["$notjunk", "\\seen"])
        raw = self.raw(row["MsgID"]).decode()
        self.assertTrue(raw.startswith('Bcc: "B" <mjl+2@mox.example>\r\nFrom: '), raw)
        self.assertNotIn("Received:", raw)
        got = self.ok("MessageGet", MsgID=row["MsgID"])
        self.assertEqual(got["Message"] | {"Date": None}, {
            "From": [{"Name": "M J L", "Address": "mjl@mox.example"}],
            "To": [{"Name": "", "Address": "mjl+1@mox.example"}],
            "CC": [{"Name": "O \u00f6", "Address": "other@mox.example"}],
            "BCC": [{"Name": "B", "Address": "mjl+2@mox.example"}], "ReplyTo": [], "MessageID": answer["MessageID"],
            "References": [], "Date": None, "Subject": "sent", "Text": "hi\n", "HTML": "<p>hi\n"})
        self.assertEqual((got["Meta"]["MailboxName"], got["Meta"]["RcptTo"]), ("Sent", ""))
        self.maildir.wait(4)
        self.assertTrue(all(b"Bcc" not in octets for octets in self.maildir.raw()))
        self.suite.stop()
        self.suite.start()
        self.assertEqual(self.listed("Sent"), [row])
        self.suite.write_config(CONFIG.format(us=self.us.v4, mjl='sent-folder "Mail/Gesendet \u00fc"'))
        self.suite.qmctl("reload")
        self.ok("Send", **self.SENT)
        row, = self.listed("Mail/Gesendet \u00fc")
        self.assertEqual(row["Flags"], ["$notjunk", "\\seen"])
        self.assertEqual(self.ok("Send", self.other, **self.SENT)["Submissions"][0]["FromID"], "")

    def test_a_copy_is_what_was_asked_for(self):
        def file(name, content_type, octets, content_id=""):
            return {"Name": name, "ContentType": content_type, "ContentID": content_id, "Data": base64.b64encode(octets).decode()}
        asked = {"From": [{"Name": "m\u00f8x", "Address": "mjl@mox.example"}], "To": [{"Name": "m\u00f8x", "Address": "mjl+to@mox.example"},
                 {"Name": "m\u00f8x", "Address": "mjl+to2@mox.example"}], "CC": [{"Name": "", "Address": "mjl+cc@mox.example"}],
                 "BCC": [{"Name": "", "Address": "mjl+bcc@mox.example"}], "ReplyTo": [{"Name": "", "Address": "mjl+reply@mox.example"}],
                 "MessageID": "<random@localhost>", "References": ["<first@localhost>", "<messageid0@localhost>"],
                 "Subject": "\u00a1hello world!", "Text": "hi \u263a\n", "HTML": "<html><body>bo\u00f6 <img src=\"cid:x\" /></body></html>"}
        files = {"AlternativeFiles": [file("", "text/calendar", b"BEGIN:VCALENDAR\r\n")],
                 "InlineFiles": [file("x.png", "image/png", b"png data", "<x>")], "AttachedFiles": [file("y.pdf", "", b"%PDF-")]}
        self.deliver("one")
        self.make_folder(".Sent")
        self.ok("Send", **asked, **files, Date="2024-05-06T07:08:09+02:00", SaveSent=True)
        msg_id = self.listed("Sent")[0]["MsgID"]
        got = self.ok("MessageGet", MsgID=msg_id)
        self.assertEqual(got["Message"].pop("Date"), "2024-05-06T07:08:09+02:00")
        self.assertEqual(got["Message"], {**asked, "HTML": asked["HTML"] + "\n"})

        def kinds(part):
            kind = part["ContentType"].partition("/")[2]
            return f"{kind}({','.join(map(kinds, part['Parts']))})" if part["Parts"] else kind
        self.assertEqual(kinds(got["Structure"]), "mixed(related(alternative(plain,html,calendar),png),pdf)")
        self.assertEqual(got["Structure"], structure(email.message_from_bytes(self.raw(msg_id))))

        def part(*path):
            return self.mjl.call("MessagePartGet", {"MsgID": msg_id, "PartPath": path})
        self.assertEqual(part(0, 0, 1).body.decode(), asked["HTML"] + "\r\n")
        self.assertEqual((part(0, 1).body, part(1).body, part().status), (b"png data", b"%PDF-", 200))
        self.assertEqual(part(2).code, "partNotFound")

    def test_a_copy_of_what_is_sent_again_with_its_key(self):
        self.deliver("one")
        self.make_folder(".Sent")
        self.mjl.headers["Idempotency-Key"] = "order 1042"
        first = self.ok("Send", **self.SENT)
        row, = self.listed("Sent")
        self.assertEqual(self.ok("Send", **self.SENT), first)
        self.assertEqual(self.listed("Sent"), [row])
        self.ok("MessageDelete", MsgID=row["MsgID"])  # it was there, and whoever has the mailbox had it so
        self.assertEqual(self.ok("Send", **self.SENT), first)
        self.assertEqual(self.listed("Sent"), [])
        # The mailbox cannot be had at first.
        self.mjl.headers["Idempotency-Key"] = "order 1043"
        self.fill_tmp()
        self.assertEqual(self.code("Send", **self.SENT), "sentOverQuota")
        self.assertEqual(self.code("Send", **self.SENT), "sentOverQuota")
        self.us.run(["umount", self.maildir.path / ".Sent/tmp"])
        self.suite.qmctl("clock", "step", 5000)
        second = self.ok("Send", **self.SENT)
        row, = self.listed("Sent")
        self.assertEqual(self.ok("Send", **self.SENT), second)
        self.assertEqual(self.listed("Sent"), [row])
        got, = [one for one in self.maildir.raw() if second["MessageID"].encode() in one][:1]
        copy = self.raw(row["MsgID"])
        for field in (b"Message-Id", b"Date", b"Subject", b"To", b"Cc"):
            line, = re.findall(rb"(?im)^" + field + rb": [^\r\n]*", got)
            self.assertIn(line, copy)
        self.assertTrue(copy.startswith(b"Bcc: "))
        self.assertNotIn(b"Received:", copy)

    def test_a_copy_that_is_stored_as_the_api_dies(self):
        self.deliver("one")
        self.make_folder(".Sent")
        self.mjl.headers["Idempotency-Key"] = "order 1044"
        self.suite.allow_error("process ended|killed|signal")
        os.kill(self.pid("delivery/local"), signal.SIGSTOP)
        first = threading.Thread(target=self.try_to_send, daemon=True)
        first.start()
        self.suite.wait_log(p="webapi/0", m="mail accepted")
        os.kill(self.pid("webapi/0"), signal.SIGKILL)
        first.join(20)
        os.kill(self.pid("delivery/local"), signal.SIGCONT)
        cur = self.maildir.path / ".Sent/cur"
        stored, = wait.until(lambda: list(cur.iterdir()), what="the copy")
        answer = wait.until(self.try_to_send, 20, "the API's return")
        self.assertIn(f"C{answer['Submissions'][0]['QueueMsgID']}.", stored.name)
        self.assertEqual(self.try_to_send(), answer)
        self.assertEqual(list(cur.iterdir()), [stored])
        row, = self.listed("Sent")
        self.assertEqual(sorted(row["Flags"]), ["$notjunk", "\\seen"])
        self.assertIn(answer["MessageID"].encode(), self.raw(row["MsgID"]))

    def test_a_message_that_never_fits_is_not_put_off(self):
        self.suite.write_config(CONFIG.format(us=self.us.v4, mjl="") + "webapi { memory 3M  request-size 1M  upload-size 2M }\n")
        self.suite.qmctl("reload")
        with smtplib.SMTP(self.us.v4, 25, local_hostname="client.example", timeout=20) as client:
            client.sendmail("a@remote.example", ["mjl@mox.example"], message("large") + ("x" * 70 + "\r\n") * 35_000)
        self.maildir.wait(1)
        large, = [row["MsgID"] for row in self.listed()]
        self.deliver("small")
        small, = [row["MsgID"] for row in self.listed() if row["MsgID"] != large]
        self.assertIn(b"Subject: small", self.raw(small))
        for method in ("MessageGet", "MessageRawGet"):
            self.assertEqual(self.code(method, MsgID=large), "messageTooLarge")

    def try_to_send(self):
        try:
            return self.ok("Send", **self.SENT)
        except (OSError, http.client.HTTPException):
            return None

    def pid(self, name):
        pid, = [pid for pid, line in self.suite.processes().items() if f"--name={name} " in line]
        return pid

    def fill_tmp(self):
        """No copy can be written any more."""
        self.us.run(["sh", "-c", f"cd '{self.maildir.path}/.Sent' && mount -t tmpfs -o size=64k tmpfs tmp"
                     " && chown --reference=.. tmp && dd if=/dev/zero of=tmp/full bs=1k count=64 status=none || true"])
        self.suite.allow_error("a mailbox cannot be changed or read")

    def test_a_mailbox_without_room_for_the_copy(self):
        self.deliver("one")
        self.make_folder(".Sent")
        self.fill_tmp()
        before = len(self.maildir.files())
        self.assertEqual(self.code("Send", **self.SENT), "sentOverQuota")
        self.maildir.wait(before + 2)
        self.assertEqual(self.listed("Sent"), [])


class WithDovecot(MailboxCase):
    SOFTWARE = ["dovecot"]

    def setUp(self):
        super().setUp()
        self.deliver("one", "two", "three")
        self.dovecot = dovecot.Dovecot(self.us, {"mjl": "secret"}, owner="qm-deliver",
                                       location=f"maildir:{self.suite.folder}/state/mail/%u").start()
        self.imap = self.dovecot.imap("mjl")

    def do(self, command, *words):
        status, data = getattr(self.imap, command)(*words)
        self.assertEqual(status, "OK", (command, words, data))
        return data

    def uid(self, *words):
        return self.do("uid", *words)

    def find(self, subject):
        """The UID in the selected folder."""
        self.do("noop")
        return self.uid("search", None, "SUBJECT", subject)[0].decode()

    def imap_flags(self, uid):
        return sorted(flag.lower() for flag in self.uid("fetch", uid, "(FLAGS)")[0].decode().partition("FLAGS (")[2]
                      .partition(")")[0].split())

    def test_what_imap_does_is_seen_by_the_api(self):
        ids = self.ids()
        self.do("create", "Archive")
        self.do("create", "Archive.Entw&APw-rfe")
        self.do("select", "INBOX")
        self.assertEqual(set(ids), {"one", "two", "three"})
        self.uid("store", self.find("one"), "+FLAGS", "(\\Seen \\Flagged $Junk blue)")
        self.assertEqual(self.flags(ids["one"]), ["$junk", "\\flagged", "\\seen", "blue"])
        self.ok("MessageFlagsRemove", MsgID=ids["one"], Flags=["$junk", "\\flagged"])
        self.assertEqual(self.flags(ids["one"]), ["\\seen", "blue"])
        self.assertEqual(self.imap_flags(self.find("one")), ["\\recent", "\\seen", "blue"])
        # moved: a hard link under another name, then the first name is removed
        self.uid("move", self.find("one"), "Archive")
        self.assertEqual(self.parsed(ids["one"])["Subject"], "one")
        self.assertEqual(self.ok("MessageGet", MsgID=ids["one"])["Meta"]["MailboxName"], "Archive")
        self.assertEqual(self.flags(ids["one"], "Archive"), ["\\seen", "blue"])
        self.assertEqual(self.ids("Archive"), {"one": ids["one"]})
        # moved, and listed before it is asked for
        self.uid("move", self.find("two"), "Archive.Entw&APw-rfe")
        self.assertEqual(self.ids("Archive/Entw\u00fcrfe"), {"two": ids["two"]})
        self.assertEqual(self.ids(), {"three": ids["three"]})
        # copied: another message, with an id of its own, which stays
        self.uid("copy", self.find("three"), "Archive")
        copied = self.ids("Archive")["three"]
        self.assertNotEqual(copied, ids["three"])
        self.assertEqual(self.ids(), {"three": ids["three"]})
        # two of one name in one folder
        self.ok("MessageMove", MsgID=copied, DestMailboxName="Inbox")
        self.assertEqual(sorted(row["MsgID"] for row in self.listed()), sorted([ids["three"], copied]))
        self.ok("MessageMove", MsgID=copied, DestMailboxName="Archive")
        self.ok("MessageDelete", MsgID=ids["three"])
        self.assertEqual(self.parsed(copied)["Subject"], "three")
        self.assertEqual(self.code("MessageRawGet", MsgID=ids["three"]), "messageNotFound")
        self.assertEqual(self.ids("Archive"), {"one": ids["one"], "three": copied})
        # removed
        self.do("select", "Archive")
        self.uid("store", self.find("one"), "+FLAGS", "(\\Deleted)")
        self.assertEqual(self.flags(ids["one"], "Archive"), ["\\deleted", "\\seen", "blue"])
        self.do("expunge")
        self.assertEqual(self.code("MessageRawGet", MsgID=ids["one"]), "messageNotFound")
        self.assertEqual(self.code("MessageDelete", MsgID=ids["one"]), "user")

    def test_what_imap_removed_does_not_stay_in_the_index(self):
        ids = self.ids()
        self.do("create", "Archive")
        self.do("select", "INBOX")
        self.uid("store", self.find("one"), "+FLAGS", "(\\Seen blue)")
        self.uid("move", self.find("two"), "Archive")
        self.uid("store", self.find("three"), "+FLAGS", "(\\Deleted)")
        self.do("expunge")
        self.suite.qmctl("clock", "step", 2 * 3600_000)
        entry = self.suite.wait_log(p="qmgr", m="messages that others removed are forgotten")
        self.assertEqual((entry["account"], entry["messages"]), ("mjl", "1"))
        self.assertEqual(self.code("MessageFlagsAdd", MsgID=ids["three"], Flags=["x"]), "user")
        for subject in ("one", "two"):
            self.assertEqual(self.parsed(ids[subject])["Subject"], subject)
        self.suite.qmctl("clock", "step", 721 * 3600_000)
        wait.until(lambda: self.code("MessageFlagsAdd", MsgID=ids["three"], Flags=["x"]) == "messageNotFound", 10, "forgotten")
        for subject in ("one", "two"):
            self.assertEqual(self.parsed(ids[subject])["Subject"], subject)

    def test_what_imap_appends_gets_an_id_that_follows_it(self):
        self.do("create", "Archive")
        self.do("append", "Archive", "(\\Draft yellow)", None, message("appended").encode())
        ids = self.ids("Archive")
        self.assertEqual(list(ids), ["appended"])
        self.assertEqual(self.flags(ids["appended"], "Archive"), ["\\draft", "yellow"])
        self.ok("MessageFlagsAdd", MsgID=ids["appended"], Flags=["$phishing"])
        self.do("select", "Archive")
        self.uid("move", self.find("appended"), "INBOX")
        self.assertEqual(self.ids()["appended"], ids["appended"])
        self.assertEqual(self.flags(ids["appended"]), ["$phishing", "\\draft", "yellow"])
        # what claims to have an id that is another message's
        claimed = self.ids()["one"]
        self.do("append", "INBOX", "()", None, self.raw(claimed).replace(b"body of one", b"another"))
        self.assertEqual(len(self.listed()), 5)
        self.assertIn(b"body of one", self.raw(claimed))

    def test_what_the_api_does_is_seen_by_imap(self):
        ids = self.ids()
        self.do("create", "Archive")
        self.do("select", "INBOX")
        self.ok("MessageFlagsAdd", MsgID=ids["one"], Flags=["\\seen", "\\answered", "$Forwarded", "green"])
        flags = self.imap_flags(self.find("one"))
        self.assertEqual([flag for flag in flags if flag != "\\recent"], ["\\answered", "\\seen"])
        self.uid("store", self.find("two"), "+FLAGS", "(green)")
        self.ok("MessageFlagsAdd", MsgID=ids["three"], Flags=["GREEN"])
        self.assertIn("green", self.imap_flags(self.find("three")))
        self.ok("MessageMove", MsgID=ids["three"], DestMailboxName="Archive")
        self.assertEqual(self.find("three"), "")
        self.do("select", "Archive")
        self.assertNotEqual(self.find("three"), "")
        self.assertEqual(self.flags(ids["three"], "Archive"), ["green"])
        self.ok("MessageMove", MsgID=ids["three"], DestMailboxName="Inbox")
        self.do("select", "INBOX")
        self.assertEqual(self.flags(ids["three"]), ["green"])
        self.ok("MessageDelete", MsgID=ids["two"])
        self.assertEqual(self.find("two"), "")


if __name__ == "__main__":
    case.main()
