"""What a server did, at whatever step, stands in the record of each recipient, and in the notice.

One table for all: the step at which something is wrong x what is wrong x recipients x PIPELINING. Each cell is a
server of its own, at an address of its own, that is sent one message.
"""

import itertools

from harness import api, case, client, dsn, mailbox, smtpsink, suite, wait

CONFIG = """
hostname mx.us.test
listen public { address 127.0.0.1  submission 587  require-tls-for-auth no }
domain us.test { }
account ann { address ann@us.test }
deliver { allow-loopback yes  tls opportunistic  idle-timeout 0 }
queue { destination-concurrency-start 20  delay-notice-attempt 1 }
"""
STEPS = ["greeting", "ehlo", "starttls", "mail", "first rcpt", "second rcpt", "last rcpt", "data", "dot"]
WRONG = ["4xx", "5xx", "EOF", "RST", "garbage"]
RECIPIENTS = [1, 3]
PIPELINING = [True, False]

REPLIES = {"4xx": "451-4.3.5 not now\n451 4.3.5 (come back", "5xx": "554-5.6.0 never\n554 5.6.0 \"not\" ever)"}
TAKEN, QUEUED = "250 2.1.5 Ok", "250 2.0.0 Ok: queued as SINK"
DELIVERED = ("delivered", 250, "2.0.0", "dot", QUEUED, TAKEN)


def expected(step, wrong, recipients, number, required=False):
    """(result, code, enhanced code, stage, reply, reply to RCPT) of one recipient, number 0 for the first.

    required: whether nothing may go in clear."""
    stage = step.split()[-1]
    if step == "starttls" and required and wrong in REPLIES:  # whatever the code, not for good
        return "deferred", {"4xx": 451, "5xx": 554}[wrong], "4.7.4", stage, REPLIES[wrong], ""
    if step == "starttls" and not required:
        return DELIVERED  # in clear: what is offered need not be, and who takes it amiss is asked without
    lost = ("deferred", 0, "4.5.0" if wrong == "garbage" else "4.4.2", stage, "")
    at = {"first rcpt": 0, "second rcpt": 1, "last rcpt": recipients - 1}.get(step)
    hit = at is None or number == at
    if wrong not in REPLIES:
        # The connection is of no more use for anybody. What was taken before is not forgotten.
        taken = step in ("data", "dot") or (at is not None and number < at)
        return (*lost, TAKEN if taken else "")
    if not hit:
        return DELIVERED
    result, code, enhanced = {"4xx": ("deferred", 451, "4.3.5"), "5xx": ("failed", 554, "5.6.0")}[wrong]
    return result, code, enhanced, stage, REPLIES[wrong], TAKEN if step in ("data", "dot") else ""


def reply_of(wrong):
    """What the server says, or does."""
    if wrong == "garbage":
        return smtpsink.Reply("what do you want?")
    # Not at once: a connection that is gone before it was seen to stand has failed as such.
    return smtpsink.Reply(REPLIES.get(wrong), drop=wrong == "EOF", reset=wrong == "RST", delay=0.3)


def told_of_tls(step, wrong, required=False):
    """That there was none, and why."""
    if required:
        return "policy encrypt"
    if step in ("greeting", "ehlo"):
        return "policy may"
    refused = "STARTTLS was refused" if wrong in REPLIES else "the connection was cut over STARTTLS"
    return f"clear, {refused if step == 'starttls' else 'STARTTLS not offered'}; policy may"


class Cell:
    """One server, and the message that is sent there."""

    def __init__(self, host, number, step, wrong, recipients, pipelining, required=False):
        self.step, self.wrong, self.recipients, self.required = step, wrong, recipients, required
        self.address = f"127.0.{1 + number // 200}.{1 + number % 200}"
        self.name = f"{step}, {wrong}, {recipients} recipients, {'' if pipelining else 'no '}pipelining"
        extensions = ["8BITMIME", "ENHANCEDSTATUSCODES"] + ["PIPELINING"] * pipelining
        extensions += ["STARTTLS"] if step == "starttls" else []
        self.sink = smtpsink.SmtpSink(host, 25, address=self.address, extensions=extensions)
        for at, replies in self.script().items():
            self.sink.script(at, *replies)

    def script(self):
        bad = reply_of(self.wrong)
        good = smtpsink.Reply(TAKEN)
        return {
            "greeting": {"CONNECT": [bad]}, "ehlo": {"EHLO": [bad], "HELO": [bad]}, "starttls": {"STARTTLS": [bad]},
            "mail": {"MAIL": [bad]}, "first rcpt": {"RCPT": [bad, good]},
            "second rcpt": {"RCPT": [good, bad, good]}, "last rcpt": {"RCPT": [good] * (self.recipients - 1) + [bad]}, "data": {"DATA": [bad]},
            "dot": {"DATA-END": [bad]},
        }[self.step]

    def to(self):
        return [f"r{number}@[{self.address}]" for number in range(self.recipients)]

    def wanted(self):
        return [expected(self.step, self.wrong, self.recipients, number, self.required) for number in range(self.recipients)]


class Results(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1)
        self.suite = suite.Suite(CONFIG, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret"}))
        self.inbox = mailbox.Maildir(self.suite.folder / "state/mail/ann")

    def make_cells(self, steps=tuple(STEPS), required=False):
        rows = itertools.product(steps, WRONG, RECIPIENTS, PIPELINING)
        rows = [(step, *row) for step, *row in rows if step != "second rcpt" or row[1] > 2]  # of one there is none
        cells = [Cell(self.us, number, *row, required) for number, row in enumerate(rows)]
        for cell in cells:
            self.addCleanup(cell.sink.close)
        return cells

    def send(self, cells):
        with self.us.inside(), client.connect("127.0.0.1", 587) as smtp:
            client.plain(smtp, "ann@us.test", "secret")
            for number, cell in enumerate(cells):
                smtp.sendmail("ann@us.test", cell.to(), client.message(cell.to()[0], f"m{number}", sender="ann@us.test"))

    def attempts(self):
        """Of what was sent, without notices."""
        return sum(one.get("m") in ("delivered", "deferred", "failed") and one.get("rcpt") != "ann@us.test"
                   for one in self.suite.log())

    def records(self):
        """address -> the record of the one attempt, and whether it stays in the queue."""
        found = {}
        for kind in ("queue", "retired"):
            for row in self.suite.qmctl(kind, "list"):
                if not row["from"]:
                    continue
                item = self.suite.qmctl(kind, "show", row["id"])
                self.assertEqual(len(item["history"]), 1, item)
                found[item["to"]] = (item["history"][0], kind)
        return found

    def check(self, cell, record, kind, wanted):
        got = tuple(record[key] for key in ("result", "code", "enhanced", "stage", "reply", "rcpt_reply"))
        self.assertEqual(got, wanted, cell.name)
        self.assertEqual(kind, "queue" if wanted[0] == "deferred" else "retired", cell.name)
        self.assertEqual((record["remote_host"], record["remote_address"], record["tls"], record["transport"]),
                         (f"[{cell.address}]", f"{cell.address}:25", told_of_tls(cell.step, cell.wrong, cell.required), "direct"), cell.name)
        self.assertEqual(bool(record["error"]), not record["reply"] or record["stage"] in ("greeting", "ehlo", "starttls"),
                         f"{cell.name}: {record['error']}")
        self.assertLess(record["duration_ms"], 60_000)

    def check_notices(self, cells):
        """One for each message and event, with those whom it hit, and what the server said."""
        wanted = {}
        for number, cell in enumerate(cells):
            for address, (result, code, enhanced, _, reply, _) in zip(cell.to(), cell.wanted()):
                if result != "delivered":
                    action = {"failed": "failed", "deferred": "delayed"}[result]
                    diagnostic = "smtp; " + reply.replace("\n", " ") if reply else None
                    wanted.setdefault((f"<m{number}@client.test>", action), []).append(
                        ("rfc822; " + address, enhanced, diagnostic, f"dns; [{cell.address}]"))
        self.inbox.wait(len(wanted))
        got = {}
        for octets in self.inbox.raw():
            notice = dsn.parse(octets)
            key = notice.message["References"], notice.recipients[0]["action"]
            self.assertNotIn(key, got)
            got[key] = [(one["final-recipient"], one["status"].split()[0], one.get("diagnostic-code"), one["remote-mta"])
                        for one in notice.recipients]
            for one in notice.recipients:
                for line in one.get("diagnostic-code", "smtp; ").removeprefix("smtp; ").split(" "):
                    self.assertIn(line, notice.text)
        self.assertEqual(got.keys(), wanted.keys())
        for key, value in got.items():
            with self.subTest(cells[int(key[0].removeprefix("<m").partition("@")[0])].name):
                self.assertEqual(sorted(value), wanted[key])

    def test_every_step_can_go_wrong_in_every_way(self):
        self.suite.start()
        cells = self.make_cells()
        self.assertEqual(len(cells), (4 * len(STEPS) - 2) * len(WRONG))
        self.check_cells(cells)

    def test_starttls_can_go_wrong_in_every_way_where_it_is_required(self):
        self.suite.config_text = CONFIG.replace("tls opportunistic", "tls required")
        self.suite.start()
        cells = self.make_cells(["starttls"], required=True)
        self.check_cells(cells)
        self.assertEqual([cell.name for cell in cells if any("MAIL" in line for one in cell.sink.sessions for line in one.lines)], [])

    def check_cells(self, cells):
        """Sends each its message, and looks at what becomes of it."""
        self.send(cells)
        total = sum(cell.recipients for cell in cells)
        wait.until(lambda: self.attempts() >= total, 60, "an attempt of each")
        self.check_notices(cells)
        records = self.records()
        self.assertEqual(len(records), total)
        for cell in cells:
            for address, wanted in zip(cell.to(), cell.wanted()):
                with self.subTest(cell.name, to=address):
                    self.check(cell, *records[address], wanted)
        self.suite.stop()

    # ---- faults that other programs have had, each by its name

    def run_one(self, script, recipients=3, extensions=("8BITMIME", "ENHANCEDSTATUSCODES", "PIPELINING"), config=CONFIG):
        """One message to one server. Returns the records of its recipients, in order, and the server."""
        self.suite.config_text = config
        self.suite.start()
        sink = smtpsink.SmtpSink(self.us, 25, address="127.0.9.1", extensions=extensions, script=script)
        self.addCleanup(sink.close)
        to = [f"r{number}@[127.0.9.1]" for number in range(recipients)]
        with self.us.inside(), client.connect("127.0.0.1", 587) as smtp:
            client.plain(smtp, "ann@us.test", "secret")
            smtp.sendmail("ann@us.test", to, client.message(to[0], "one", sender="ann@us.test"))
        wait.until(lambda: self.attempts() >= recipients, what="an attempt of each")
        records = self.records()
        self.suite.stop()
        return [records[address][0] for address in to], sink

    def outcomes(self, records):
        return [(one["result"], one["code"], one["enhanced"], one["stage"]) for one in records]

    def test_all_recipients_refused_each_keeps_its_own_code(self):
        records, sink = self.run_one({"RCPT": ["550 5.1.1 a", "450 4.2.1 b", "553 5.1.3 c"]})
        self.assertEqual(self.outcomes(records), [("failed", 550, "5.1.1", "rcpt"), ("deferred", 450, "4.2.1", "rcpt"),
                                                  ("failed", 553, "5.1.3", "rcpt")])

    def test_a_5xx_to_the_message_leaves_a_4xx_to_rcpt_alone(self):
        records, sink = self.run_one({"RCPT": ["250 ok", "450 4.2.1 b", "250 ok"], "DATA-END": "554 5.7.1 spam"})
        self.assertEqual(self.outcomes(records), [("failed", 554, "5.7.1", "dot"), ("deferred", 450, "4.2.1", "rcpt"),
                                                  ("failed", 554, "5.7.1", "dot")])

    def test_251_and_252_are_no_failure(self):
        records, sink = self.run_one({"RCPT": ["251 2.1.5 forwarded", "252 2.1.5 perhaps", "250 ok"]})
        self.assertEqual({one["result"] for one in records}, {"delivered"})
        self.assertEqual([one["rcpt_reply"][:3] for one in records], ["251", "252", "250"])
        self.assertEqual(len(sink.mails[0].recipients), 3)

    def test_a_refused_part_leaves_the_other_parts_alone(self):
        records, sink = self.run_one({"DATA-END": ["554 5.6.0 not this one", "250 2.0.0 Ok: queued as TWO"]},
                                     extensions=["LIMITS RCPTMAX=2", "ENHANCEDSTATUSCODES", "PIPELINING"])
        self.assertEqual(self.outcomes(records), [("failed", 554, "5.6.0", "dot"), ("failed", 554, "5.6.0", "dot"),
                                                  ("delivered", 250, "2.0.0", "dot")])

    def test_552_to_the_first_recipient_is_not_for_good_in_lock_step(self):
        records, sink = self.run_one({"RCPT": ["552 5.2.2 full", "250 ok"]}, extensions=["ENHANCEDSTATUSCODES"])
        self.assertEqual(self.outcomes(records), [("deferred", 552, "4.2.2", "rcpt"), ("delivered", 250, "2.0.0", "dot"),
                                                  ("delivered", 250, "2.0.0", "dot")])

    def test_the_lines_kept_are_those_of_the_command_that_was_refused(self):
        records, sink = self.run_one({"CONNECT": "220-sink.test\n220-has much\n220 to say",
                                      "EHLO": "502-no\n502 EHLO", "HELO": "550-not\n550-even\n550 HELO"}, recipients=1)
        self.assertEqual(records[0]["reply"], "550-not\n550-even\n550 HELO")
        self.assertEqual(records[0]["stage"], "ehlo")

    def test_the_lines_kept_are_those_of_starttls(self):
        records, sink = self.run_one({"CONNECT": "220-sink.test\n220 hello", "STARTTLS": "454-4.7.0 no\n454 4.7.0 TLS"},
                                     recipients=1, extensions=["STARTTLS", "SIZE"],
                                     config=CONFIG.replace("tls opportunistic", "tls required"))
        self.assertEqual((records[0]["reply"], records[0]["stage"], records[0]["result"], records[0]["enhanced"]),
                         ("454-4.7.0 no\n454 4.7.0 TLS", "starttls", "deferred", "4.7.4"))

    def test_a_success_keeps_its_code_and_the_remote_queue_id(self):
        records, sink = self.run_one({}, recipients=1)
        self.assertEqual((records[0]["code"], records[0]["reply"], records[0]["rcpt_reply"]), (250, QUEUED, TAKEN))

    def test_a_reply_of_mixed_codes_is_no_answer(self):
        records, sink = self.run_one({"DATA-END": "550-5.7.1 one\n450 4.7.1 two"}, recipients=1)
        self.assertEqual(self.outcomes(records), [("deferred", 0, "4.5.0", "dot")])


if __name__ == "__main__":
    case.main()
