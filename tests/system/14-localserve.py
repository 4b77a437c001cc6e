"""quartermaster localserve, as an application developer finds it: started by nobody, with no setup."""

import smtplib
import subprocess
import uuid

import jsonschema

from harness import api, case, client, httpsink, mailbox, suite, wait

LOGIN, PASSWORD = "qm@localhost", "quartermaster"


class Localserve(case.LanCase):
    def setUp(self):
        super().setUp()
        self.hooks = httpsink.HttpSink()
        self.addCleanup(self.hooks.close)
        self.suite = suite.Suite(None)
        settings = self.suite.add_file("state/account.d/hook.conf", f"""webhook outgoing {{
            url "{self.hooks.url}/hook"  authorization "Bearer of-news" }}\n""", mode=0o644)
        for folder in (settings.parent, settings.parent.parent):
            folder.chmod(0o777)
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        self.api = api.Api("127.0.0.1", self.suite.port("http"), LOGIN, PASSWORD)
        self.inbox = mailbox.Maildir(self.suite.folder / "state/state/mail/local")

    def submit(self, recipients, port="smtp", sender=LOGIN, login=None, **how):
        return client.send("127.0.0.1", self.suite.port(port), sender, recipients,
                           client.message(recipients[0], uuid.uuid4().hex, sender=sender), login=login, **how)

    def send(self, *recipients, **more):
        """Send over HTTP; returns the queue ids."""
        request = {"To": [{"Address": one} for one in recipients], "Subject": "hello", "Text": "hi there\n"}
        result = self.api.call("Send", {**request, **more}).json
        self.assertEqual([one["Address"] for one in result["Submissions"]], list(recipients))
        return [one["QueueMsgID"] for one in result["Submissions"]]

    def sendmail(self, *words, text, check=True):
        return subprocess.run([self.suite.program.with_name("sendmail"), "-C", self.suite.config_path, *words],
                              input=text.encode(), capture_output=True, check=check, timeout=30)

    def events(self, count):
        """The webhooks' payloads: queue id -> payload, once there are so many."""
        requests = self.hooks.wait(count)
        self.assertEqual(len(requests), count)
        return {one.json()["QueueMsgID"]: one.json() for one in requests}

    def test_every_way_in_leads_to_the_mailbox(self):
        self.send("someone@example.org", Extra={"Order": "7"})
        first, = self.inbox.wait(1)
        self.assertEqual((first["To"], first["From"], first["Subject"]),
                         ("someone@example.org", "Local User <qm@localhost>", "hello"))
        self.assertEqual(first.get_content().rstrip("\n"), "hi there")
        self.assertIn("d=localhost; s=localserve", " ".join(first["DKIM-Signature"].split()))
        self.submit(["any@where.example"], sender="someone@example.net")
        self.submit(["qm@localhost"], sender="someone@example.net")
        login = (LOGIN, PASSWORD)
        self.submit(["a@example.org"], "submission", login=login)
        self.submit(["a@example.org"], "submission", login=login, starttls=True)
        self.submit(["a@example.org", "b@example.org"], "submissions", login=login, implicit=True)
        self.inbox.wait(7)
        self.sendmail("-i", "someone@example.org", text="Subject: by sendmail\n\nFrom a program\n.\n")
        last = self.inbox.wait(8)[-1]
        self.assertEqual((last["Subject"], last.get_content()), ("by sendmail", "From a program\n.\n"))
        self.assertEqual(last["To"], None)
        with client.connect("::1", self.suite.port("smtp")) as smtp:
            self.assertEqual(smtp.noop()[0], 250)
        self.suite.stop()

    def test_a_copy_of_what_was_sent_is_in_sent(self):
        self.send("someone@example.org", SaveSent=True)
        self.inbox.wait(1)
        copy, = self.api.call("MessageList", {"MailboxName": "Sent"}).json["Messages"]
        self.assertEqual(copy["Flags"], ["$notjunk", "\\seen"])
        self.suite.stop()

    def test_webhooks_say_what_the_description_says(self):
        more = self.suite.folder / "state/account.d/more.conf"
        more.write_text(f'webhook incoming {{ url "{self.hooks.url}/in" }}\n')
        self.suite.qmctl("reload")
        self.send("you@example.org")
        self.send("you+550@example.org")
        document = self.api.get("/webapi/openapi.json").json
        requests = self.hooks.wait(3)
        seen = set()
        for request in requests:
            schema = "WebhookIncoming" if request.path == "/in" else "WebhookOutgoing"
            root = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": f"#/components/schemas/{schema}",
                    "components": document["components"]}
            jsonschema.Draft202012Validator(root).validate(request.json())
            properties = document["components"]["schemas"][schema]["properties"]
            self.assertEqual(set(request.json()), set(properties))
            if schema == "WebhookIncoming":
                self.assertEqual(set(request.json()["Meta"]), set(document["components"]["schemas"]["arrival"]["properties"]))
            seen.add(schema)
        self.assertEqual(len(seen), 2)
        self.suite.stop()

    def test_the_curl_line_that_it_prints_sends_a_message(self):
        printed = self.suite.log_path.with_suffix(".out")
        text = wait.until(lambda: printed.exists() and "--data-urlencode" in printed.read_text() and
                          printed.read_text(), what="the greeting")
        command = text[text.index("  curl "):]
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30)
        self.assertIn("QueueMsgID", done.stdout, done.stderr)
        message, = self.inbox.wait(1)
        self.assertEqual(message["To"], "you@example.org")
        self.assertIn(str(self.inbox.path), text)
        self.suite.stop()

    def test_only_who_knows_the_password_may_submit(self):
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            self.submit(["a@example.org"], "submission", login=(LOGIN, "guess"))
        with self.assertRaises(smtplib.SMTPSenderRefused):
            self.submit(["a@example.org"], "submission")
        guess = api.Api(self.api.address, self.api.port, LOGIN, "guess")
        self.assertEqual(guess.call("Send", {}).status, 401)
        with client.connect("127.0.0.1", self.suite.port("submission"), starttls=True) as smtp:
            self.assertEqual(client.scram(smtp, LOGIN, PASSWORD)[0], 235)
        self.suite.stop()

    def test_failures_asked_for_over_http_happen_in_the_queue_and_reach_the_webhook(self):
        names = ["fine@example.org", "you+550@example.org", "permerror@example.org", "temperror@example.org",
                 "x421@example.org", "x599@example.org", "rcptto552@example.org"]
        ids = dict(zip(names, self.send(*names, Extra={"Order": "7"})))
        events = self.events(len(names))
        got = {name: (events[ids[name]]["Event"], events[ids[name]]["SMTPCode"]) for name in names}
        self.assertEqual(got, {
            "fine@example.org": ("delivered", 0),
            "you+550@example.org": ("failed", 550),
            "permerror@example.org": ("failed", 550),
            "temperror@example.org": ("delayed", 451),
            "x421@example.org": ("delayed", 421),
            "x599@example.org": ("failed", 599),
            "rcptto552@example.org": ("delayed", 552)})
        failed = events[ids["you+550@example.org"]]
        self.assertEqual(failed["SMTPEnhancedCode"], "5.0.0")
        self.assertIn("simulated failure", failed["Error"])
        self.assertEqual((failed["Extra"], failed["Subject"]), ({"Order": "7"}, "hello"))
        self.assertEqual({one.headers["Authorization"] for one in self.hooks.requests}, {"Bearer of-news"})
        wait.until(lambda: len(self.inbox.files()) >= 4, what="the mail and three notices")
        delayed = {ids[name] for name in names if got[name][0] == "delayed"}
        wait.until(lambda: {one["number"] for one in self.suite.qmctl("queue", "list")} == delayed,
                   what="nothing left but what is delayed")
        self.suite.stop()

    def test_failures_asked_for_over_smtp_happen_where_the_name_says(self):
        def answer(recipient, sender="someone@example.net"):
            try:
                self.submit([recipient], sender=sender)
                return None
            except smtplib.SMTPSenderRefused as refused:
                return "MAIL", refused.smtp_code
            except smtplib.SMTPRecipientsRefused as refused:
                (code, _), = refused.recipients.values()
                return "RCPT", code
            except smtplib.SMTPDataError as refused:
                return "DATA", refused.smtp_code

        table = [(("a452@example.org",), ("DATA", 452)), (("permerror@example.org",), ("DATA", 550)),
                 (("rcpttotemperror@example.org",), ("RCPT", 451)), (("rcptto550@example.org",), ("RCPT", 550)),
                 (("a@example.org", "mailfrom550@example.org"), ("MAIL", 550)),
                 (("a399@example.org",), None), (("A550@example.org", "b550@example.org"), ("DATA", 550)),
                 (("permerrors@example.org",), None)]
        for arguments, wanted in table:
            self.assertEqual(answer(*arguments), wanted, arguments)
        with self.assertRaises(smtplib.SMTPDataError):
            self.submit(["a550@example.org"], "submission", login=(LOGIN, PASSWORD))
        self.inbox.wait(2)
        self.suite.stop()

    def by_http(self, *recipients):
        return self.send(*recipients)

    def by_smtp(self, *recipients):
        """Submits to each; returns the queue ids."""
        ids = []
        for recipient in recipients:
            self.submit([recipient], "submission", login=(LOGIN, PASSWORD))
            row = wait.until(lambda to=recipient: [one for one in self.rows() if one["to"] == to], what=f"a row of {recipient}")
            ids.append(row[0]["number"])
        return ids

    def rows(self):
        """Of what was sent, waiting or done."""
        return [one for words in (("queue", "list"), ("retired", "list")) for one in self.suite.qmctl(*words)
                if one["account"] == "local" and one["from"] == LOGIN]

    def go_through_the_tags(self, send):
        names = ["you+bounce-550-5.1.1@example.org", "you+bounce-452-4.2.2@example.org", "queue550@example.org",
                 "queuetemperror@example.org", "you+complaint@example.org"]
        ids = dict(zip(names, send(*names)))
        events = self.events(len(names))
        got = {name: tuple(events[ids[name]][key] for key in ("Event", "SMTPCode", "SMTPEnhancedCode")) for name in names}
        self.assertEqual(got, {
            "you+bounce-550-5.1.1@example.org": ("failed", 550, "5.1.1"),
            "you+bounce-452-4.2.2@example.org": ("delayed", 452, "4.2.2"),
            "queue550@example.org": ("failed", 550, "5.0.0"),
            "queuetemperror@example.org": ("delayed", 451, "4.0.0"),
            "you+complaint@example.org": ("delivered", 0, "")})
        self.suite.wait_log(m="complaint simulated", rcpt="you+complaint@example.org")
        wait.until(lambda: len(self.inbox.files()) == 3, what="two notices and the mail that is complained of")
        self.assertEqual(len(self.suite.find_log(m="complaint simulated")), 1)

        def read():
            found = self.api.get("/webapi/v0/events?after=0").json["Events"]
            return found if len(names_of(found)) == 4 else None

        def names_of(found):
            return [one["Event"] for one in found if one["Recipient"] == "you+complaint@example.org"]
        told = wait.until(read, what="the events of it, and of its arrival")
        # The mail comes around as a message of its own, whose arrival may be written down before the word of its going.
        self.assertEqual([name for name in names_of(told) if name != "received"], ["accepted", "delivered", "complained"])
        complained, = (event for event in told if event["Event"] == "complained")
        self.assertEqual(complained["QueueMsgID"], ids["you+complaint@example.org"])
        self.suite.stop()

    def test_tags_are_acted_out_for_what_came_by_http(self):
        self.go_through_the_tags(self.by_http)

    def test_tags_are_acted_out_for_what_came_by_smtp(self):
        self.go_through_the_tags(self.by_smtp)

    def go_through_the_waits(self, send):
        slow, deferred = send("you+slow@example.org", "you+defer3@example.org")
        self.suite.wait_log(m="delay simulated")
        for attempt in (1, 2, 3):
            row, = wait.until(lambda: [one for one in self.suite.qmctl("queue", "list") if one["number"] == deferred
                                       and one["attempts"] == attempt], what=f"attempt {attempt}")
            self.suite.qmctl("queue", "kick", str(deferred))
        wait.until(lambda: len(self.inbox.files()) == 2, what="both messages")
        wait.until(lambda: self.suite.qmctl("queue", "list") == [], what="an empty queue")
        told = [(one["QueueMsgID"], one["Event"], one["SMTPCode"]) for one in
                (request.json() for request in self.hooks.wait(5))]
        self.assertEqual([one for one in told if one[0] == deferred],
                         [(deferred, "delayed", 451)] * 3 + [(deferred, "delivered", 0)])
        self.assertEqual([one for one in told if one[0] == slow], [(slow, "delivered", 0)])
        self.suite.stop()

    def test_what_is_slow_or_deferred_arrives_when_it_came_by_http(self):
        self.go_through_the_waits(self.by_http)

    def test_what_is_slow_or_deferred_arrives_when_it_came_by_smtp(self):
        self.go_through_the_waits(self.by_smtp)

    def test_retries_come_while_a_developer_waits(self):
        deferred, = self.send("you+defer1@example.org")
        row, = wait.until(lambda: [one for one in self.suite.qmctl("queue", "list") if one["attempts"] == 1])
        self.inbox.wait(1, 30)  # nobody kicks it
        self.assertEqual(row["number"], deferred)
        self.suite.stop()

    def test_a_server_that_never_answers_holds_nobody_up(self):
        self.send("timeout@example.org")
        self.suite.wait_log(m="failure simulated")
        self.send("next@example.org")
        self.inbox.wait(1)
        self.suite.stop(timeout=10)

    def test_it_is_put_off_when_the_time_for_its_answer_is_over(self):
        config = self.suite.folder / "state/quartermaster.conf"
        config.write_text(config.read_text().replace("final-timeout 1m", "final-timeout 2s"))
        self.suite.qmctl("reload")
        sent, = self.send("timeout@example.org")
        told = self.hooks.wait(1)[0].json()
        self.assertEqual((told["QueueMsgID"], told["Event"], told["SMTPCode"]), (sent, "delayed", 0))
        self.assertEqual([row["attempts"] for row in self.suite.qmctl("queue", "list")], [1])
        self.suite.stop()

    def test_a_second_one_in_the_same_folder_leaves_the_first_alone(self):
        before = self.suite.config_path.read_text()
        done = subprocess.run([self.suite.program, "localserve", "--dir", self.suite.config_path.parent,
                               "--port-offset", "20000"], capture_output=True, text=True, timeout=30)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("another suite is running", done.stderr)
        self.assertEqual(self.suite.config_path.read_text(), before)
        self.send("a@example.org")
        self.inbox.wait(1)
        self.suite.stop()

    def test_the_second_start_finds_everything_as_it_was(self):
        self.send("temperror@example.org")
        self.events(1)
        self.suite.stop()
        folder = self.suite.folder / "state"
        kept = {name: (folder / name).read_bytes() for name in ("tls.crt", "tls.key", "dkim.pem")}
        self.suite.start()
        row, = self.suite.qmctl("queue", "list")
        self.assertEqual((row["to"], row["account"]), ("temperror@example.org", "local"))
        self.assertGreaterEqual(row["attempts"], 1)
        self.assertEqual(kept, {name: (folder / name).read_bytes() for name in kept})
        self.assertIn("quartermaster_", self.api.get("/metrics").text)
        self.suite.stop()


if __name__ == "__main__":
    case.main()
