"""What qmctl lists of the queue, the history and webhooks: every filter, the orders, pages; and actions on the same filters."""

import json

from harness import api, case, client, httpsink, smtpsink, suite, wait

CONFIG = """
hostname mx.us.test
listen public { address 192.0.2.1  submission 587  require-tls-for-auth no }
domain us.test { }
account ann {
    address ann@us.test
    webhook outgoing { url "http://192.0.2.3/hook"  events delivered failed } }
account bob { address bob@us.test }
transport sink { smtp { host 192.0.2.2  tls none  idle-timeout 0 } }
route { transport sink }
webhooks { allow-private yes }
"""
# Who writes to whom; by submission.
SENT = (("ann@us.test", ["x@a.test", "y@a.test", "x@b.test"]), ("bob@us.test", ["z@b.test", "x@c.test"]), ("ann@us.test", ["y@c.test"]))
NAMES = [recipient for _, recipients in SENT for recipient in recipients]


class Lists(case.LanCase):
    def setUp(self):
        super().setUp()
        self.us = self.lan.host("us", 1)
        self.sink = smtpsink.SmtpSink(self.lan.host("sink", 2), 25, script={"RCPT": "451 4.2.2 mailbox is full"})
        self.hooks = httpsink.HttpSink(self.lan.host("app", 3), 80)
        self.hooks.always(500)
        self.addCleanup(self.sink.close)
        self.addCleanup(self.hooks.close)
        self.suite = suite.Suite(CONFIG, host=self.us)
        self.suite.add_file("state/credentials", api.credentials({"ann": "secret", "bob": "secret"}))
        self.suite.start()
        self.addCleanup(lambda: self.suite.process and self.suite.kill())
        for sender, recipients in SENT:
            with client.connect(self.us.v4, 587) as smtp:
                client.plain(smtp, sender, "secret")
                smtp.sendmail(sender, recipients, client.message(recipients[0], "stuck", sender=sender))
        self.suite.wait_log(m="deferred", count=len(NAMES))
        self.rows = {row["to"]: row for row in self.qmctl("queue", "list")}
        self.assertEqual(sorted(self.rows), sorted(NAMES))

    def qmctl(self, *words, **more):
        return self.suite.qmctl(*words, **more)

    def names(self, *words, what="queue"):
        return [row["to"] for row in self.qmctl(what, "list", *words)]

    def text(self, *words):
        return self.us.run(["/run/bin/qmctl", "-c", self.suite.config_path, *words]).stdout

    def ids(self, *names):
        return [self.rows[name]["id"] for name in names]

    # ---- the queue

    def test_each_filter_means_what_it_says_in_lists_and_in_actions(self):
        self.qmctl("queue", "hold", *self.ids("y@a.test", "z@b.test"))
        to_a, to_b, to_c = NAMES[:2], NAMES[2:4], NAMES[4:]
        of_ann, of_bob, held = NAMES[:3] + NAMES[5:], NAMES[3:5], ["y@a.test", "z@b.test"]
        not_held = [name for name in NAMES if name not in held]
        for words, wanted in (
                ([], NAMES), (self.ids("x@b.test", "x@a.test", "x@b.test"), ["x@a.test", "x@b.test"]),
                (["-m", self.rows["x@c.test"]["qid"]], of_bob), (["--account", "ann"], of_ann), (["--account", "an"], []),
                (["--from", "BOB@"], of_bob), (["--to", "x@"], ["x@a.test", "x@b.test", "x@c.test"]),
                (["--to", "x@", "--from", "bob"], ["x@c.test"]), (["--domain", "a.test"], to_a), (["--domain", "@B.test"], to_b),
                (["--domain", "test"], []), (["--domain", "c.test", "--account", "ann"], ["y@c.test"]),
                (["--held"], held), (["--not-held"], not_held), (["--held", "--domain", "b.test"], ["z@b.test"]),
                (["--transport", "sink"], []), (["--transport", ""], NAMES), (["--attempts", "1"], NAMES), (["--attempts", "2"], []),
                (["--submitted", "<now"], NAMES), (["--submitted", ">-1h"], NAMES), (["--submitted", "<-1h"], []),
                (["--submitted", ">-1d", "--submitted", "<-1m"], []), (["--submitted", ">2026-01-01"], NAMES),
                (["--next", ">now"], not_held), (["--next", "<+1d"], not_held), (["--next", "<now"], []),
                (["--next", ">+30d"], [])):
            with self.subTest(words):
                self.assertEqual(self.names("--sort", "submitted", *words), wanted)
                self.assertEqual(sorted(self.names(*words)), sorted(wanted))
                for preview in ("-n", "--count"):
                    self.assertEqual(self.qmctl("queue", "kick", preview, "--all", *words),
                                     {"recipients": len(wanted), "dry_run": True})
        self.assertEqual(self.names("--held"), held)
        for action, words, count in (("hold", ["--domain", "c.test"], 2), ("hold", ["--to", "c.test"], 0),
                                     ("release", ["--held", "--account", "bob"], 2), ("release", ["--held"], 2),
                                     ("kick", ["--next", ">now", "--from", "ann@"], 4), ("drop", ["--from", "bob@"], 2),
                                     ("fail", ["--domain", "a.test", "--attempts", "1"], 2)):
            done = self.qmctl("queue", action, *words, check=False)
            touched = json.loads(done.stdout)["recipients"]
            self.assertEqual(touched, count, (action, words))
            self.assertEqual(done.returncode, 0 if touched > 0 else 65)
        left = self.names("--sort", "submitted", "--from", "@")  # without the notice to ann
        self.assertEqual(left, ["x@b.test", "y@c.test"])
        self.suite.stop()

    def test_the_orders_of_the_queue(self):
        self.assertEqual(self.names("--sort", "submitted"), NAMES)
        self.assertEqual(self.names("--sort", "submitted", "--asc"), NAMES)
        self.assertEqual(self.names("--sort", "submitted", "--desc"), NAMES[::-1])
        self.sink.script("RCPT", "451 4.2.2 still full")
        self.qmctl("queue", "kick", *self.ids("x@a.test"))
        self.suite.wait_log(m="deferred", count=len(NAMES) + 1)
        self.qmctl("queue", "hold", *self.ids("x@c.test", "y@a.test"))
        for words in ([], ["--sort", "next"], ["--sort", "next", "--asc"], ["--desc"]):
            rows = self.qmctl("queue", "list", *words)
            self.assertEqual([row["state"] for row in rows], ["queued"] * 4 + ["held"] * 2)
            times = [(row["next"], row["number"]) for row in rows[:4]]
            self.assertEqual(times, sorted(times, reverse="--desc" in words))
            held = ["y@a.test", "x@c.test"]
            self.assertEqual([row["to"] for row in rows[4:]], held[::-1] if "--desc" in words else held)
        self.assertEqual(self.names()[3], "x@a.test")
        self.assertEqual(self.names("--desc")[0], "x@a.test")
        self.suite.stop()

    def test_a_limited_list_says_how_to_go_on(self):
        self.qmctl("queue", "hold", *self.ids("x@c.test"))
        for order in (["--sort", "submitted"], ["--sort", "submitted", "--desc"], ["--sort", "next"], ["--desc"]):
            whole, seen, after = self.names(*order), [], []
            while after is not None:
                done = self.qmctl("queue", "list", *order, "--limit", "2", *after, check=False)
                seen += [row["to"] for row in json.loads(done.stdout)]
                place = done.stderr.partition("--after ")[2].strip()
                after = ["--after", place] if place else None
            self.assertEqual(seen, whole, order)
        self.suite.stop()

    def test_what_has_no_meaning_is_refused(self):
        for words in (["queue", "list", "--delivered"], ["queue", "list", "--ended", "<now"], ["queue", "list", "--all"],
                      ["queue", "kick", "--limit", "1"], ["queue", "kick", "--sort", "next"], ["queue", "list", "--event", "failed"],
                      ["retired", "list", "--held"], ["retired", "list", "--next", "<now"], ["retired", "list", "--sort", "next"],
                      ["hook", "list", "--to", "x"], ["hook", "list", "--delivered"], ["hook", "retired", "list", "--next", "<now"],
                      ["queue", "list", "--sort", "size"], ["queue", "list", "--submitted", "now"],
                      ["queue", "list", "--submitted", "<1h"], ["queue", "list", "--submitted", "<-1x"],
                      ["queue", "list", "--submitted", "<2026-13-01"], ["queue", "list", "--attempts", "many"],
                      ["queue", "list", "--domain", "not a domain"], ["queue", "list", "--after", "5"], ["queue", "drop", "-n"]):
            done = self.qmctl(*words, check=False)
            self.assertEqual((done.returncode, done.stdout), (64, ""), words)
            self.assertNotEqual(done.stderr, "", words)
        self.suite.stop()

    def test_tables_have_one_head_and_say_when_there_is_nothing(self):
        lines = self.text("queue", "list").splitlines()
        self.assertEqual(len(lines), len(NAMES) + 1)
        self.assertEqual(lines[0].split()[0], "ID")
        self.assertEqual(self.text("queue", "list", "--to", "nobody"), "No such recipient.\n")
        self.assertEqual(self.text("retired", "list"), "Nothing in the history.\n")
        self.assertEqual(self.text("hook", "list", "--account", "nobody"), "No webhooks.\n")
        shown = {words: self.text(*words.split()) for words in ("queue -h", "retired -h", "hook -h")}
        for option in ("--domain", "--submitted", "--count", "--sort"):
            self.assertIn(option, shown["queue -h"])
        self.assertIn("--ended", shown["retired -h"])
        self.assertNotIn("--held", shown["retired -h"])
        self.assertIn("--event", shown["hook -h"])
        self.suite.stop()

    # ---- the history, and webhooks

    def end_all(self):
        """All leave the queue, one after the other: the last one first, and the first two are failed."""
        self.sink.script("RCPT", "250 ok")
        for count, name in enumerate(reversed(NAMES), 1):
            if name in NAMES[:2]:
                self.qmctl("queue", "fail", *self.ids(name))
            else:
                self.qmctl("queue", "kick", *self.ids(name))
            wait.until(lambda: len([row for row in self.qmctl("retired", "list") if row["to"] in NAMES]) == count,
                       what=f"{name} in the history")

    def past(self, *words):
        """Without notices to senders."""
        return [name for name in self.names(*words, what="retired") if name in NAMES]

    def test_the_history(self):
        self.end_all()
        self.assertEqual(self.past(), NAMES)
        self.assertEqual(self.past("--asc"), NAMES[::-1])
        self.assertEqual(self.past("--sort", "ended", "--desc"), NAMES)
        self.assertEqual(self.past("--sort", "submitted"), NAMES)
        self.assertEqual(self.past("--sort", "submitted", "--desc"), NAMES[::-1])
        for words, wanted in ((self.ids("x@c.test"), ["x@c.test"]), (["-m", self.rows["x@c.test"]["qid"]], NAMES[3:5]),
                              (["--account", "bob"], NAMES[3:5]), (["--from", "bob@"], NAMES[3:5]), (["--to", "Y@"], ["y@a.test", "y@c.test"]),
                              (["--domain", "b.test"], NAMES[2:4]), (["--transport", ""], NAMES), (["--transport", "x"], []),
                              (["--failed"], NAMES[:2]), (["--delivered"], NAMES[2:]), (["--attempts", "2"], NAMES[2:]),
                              (["--submitted", ">-1h"], NAMES), (["--submitted", "<-1h"], []), (["--ended", ">-1h"], NAMES),
                              (["--ended", "<-1h"], []), (["--failed", "--to", "x@"], ["x@a.test"])):
            with self.subTest(words):
                self.assertEqual(self.past(*words), wanted)
                self.assertEqual(self.past("--asc", *words), wanted[::-1])
        self.check_webhooks()
        self.suite.stop()

    def check_webhooks(self):
        """Of ann's four: in the order in which they came, two delivered, then two failed."""
        hooks = wait.until(lambda: (lambda rows: rows if {row["attempts"] for row in rows} == {1} else None)(
            self.qmctl("hook", "list", "--sort", "submitted")), what="a first attempt of each webhook")
        ids = [row["id"] for row in hooks]
        self.assertEqual([row["event"] for row in hooks], ["delivered"] * 2 + ["failed"] * 2)
        for words, wanted in (([ids[1]], [1]), (["--account", "ann"], [0, 1, 2, 3]), (["--account", "bob"], []),
                              (["--event", "failed"], [2, 3]), (["--event", "incoming"], []), (["--attempts", "1"], [0, 1, 2, 3]),
                              (["--attempts", "2"], []), (["--submitted", "<now"], [0, 1, 2, 3]), (["--submitted", "<-1h"], []),
                              (["--next", ">now"], [0, 1, 2, 3]), (["--next", "<now"], [])):
            with self.subTest(words):
                self.assertEqual([row["id"] for row in self.qmctl("hook", "list", "--sort", "submitted", *words)],
                                 [ids[i] for i in wanted])
        by_next = self.qmctl("hook", "list")
        self.assertEqual([row["next"] for row in by_next], sorted(row["next"] for row in by_next))
        self.assertEqual([row["id"] for row in self.qmctl("hook", "list", "--desc")], [row["id"] for row in by_next][::-1])
        self.assertEqual(self.qmctl("hook", "retired", "list"), [])
        for n in (2, 0, 3):  # in the order of their end, which is not that of their ids
            self.assertEqual(self.qmctl("hook", "cancel", ids[n])["webhooks"], 1)
        past = self.qmctl("hook", "retired", "list")
        self.assertEqual([row["id"] for row in past], [ids[n] for n in (3, 0, 2)])
        self.assertEqual([row["ended"] for row in past], sorted((row["ended"] for row in past), reverse=True))
        for words, wanted in ((["--asc"], [2, 0, 3]), (["--sort", "ended", "--desc"], [3, 0, 2]), (["--sort", "submitted"], [0, 2, 3]),
                              (["--ended", "<-1h"], []), (["--ended", ">-1h", "--asc"], [2, 0, 3]), (["--ended", ">+1h"], []),
                              (["--limit", "1"], [3])):
            with self.subTest(words):
                done = self.qmctl("hook", "retired", "list", *words, check=False)
                self.assertEqual([row["id"] for row in json.loads(done.stdout)], [ids[n] for n in wanted])
        place = done.stderr.partition("--after ")[2].strip()
        self.assertEqual([row["id"] for row in self.qmctl("hook", "retired", "list", "--after", place)], [ids[0], ids[2]])
        self.assertIn("ENDED", self.text("hook", "retired", "list").splitlines()[0])


if __name__ == "__main__":
    case.main()
