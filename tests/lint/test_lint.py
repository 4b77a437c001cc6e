"""Each check finds the fault it is for, and takes what is right."""

import contextlib
import io
import pathlib
import subprocess
import tempfile
import unittest

import contracts
import functions
import lint
import tree as trees

CMAKE = "qm_theme(base)\nqm_theme(codec THEMES base)\nqm_theme(mail\n  THEMES base codec # not conf\n  PACKAGES x)\n"


def faults(check, texts, root=None):
    with contextlib.redirect_stdout(io.StringIO()):
        return lint.CHECKS[check](trees.Tree({"CMakeLists.txt": CMAKE, **texts}, root))


class Layers(unittest.TestCase):
    def test_a_circle_of_folders_is_found(self):
        texts = {"lib/base/a.h": "", "lib/base/a.c": '#include "b.h"\n', "lib/codec/b.h": "",
                 "lib/codec/b.c": '#include "m.h"\n', "lib/mail/m.h": "", "lib/mail/m.c": '#include "a.h"\n'}
        found = faults("include-cycles", texts)
        self.assertEqual(len(found), 3)
        self.assertIn('lib/base/a.c:1: includes "b.h" of lib/codec', found[0])
        texts["lib/mail/m.c"] = '/* #include "a.h" */\n'
        self.assertEqual(faults("include-cycles", texts), [])

    def test_a_daemon_s_header_is_its_own(self):
        for include in ("store.h", "../qmgr/store.h", "qmgr/store.h"):
            found = faults("daemon-includes", {"qmgr/store.h": "", "smtpd/main.c": f'\n#include "{include}"\n'})
            self.assertEqual(len(found), 1, include)
            self.assertIn("smtpd/main.c:2:", found[0])
        self.assertEqual(len(faults("daemon-includes", {"qmgr/s.h": "", "lib/base/a.c": '#include "s.h"\n'})), 1)
        self.assertEqual(faults("daemon-includes", {"qmgr/s.h": "", "qmgr/a.c": '#include "s.h"\n'}), [])
        both = {"qmgr/session.h": "", "smtpd/session.h": "", "smtpd/a.c": '#include "session.h"\n'}
        self.assertEqual(faults("daemon-includes", both), [])

    def test_a_theme_names_what_it_includes(self):
        texts = {"lib/base/a.h": "", "lib/codec/b.h": "", "lib/mail/m.h": "", "lib/mail/m.c": '#include "b.h"\n',
                 "lib/codec/b.c": '#include "m.h"\n'}
        found = faults("theme-includes", texts)
        self.assertEqual(len(found), 1)
        self.assertIn("lib/codec/b.c:1: lib/codec includes \"m.h\" of lib/mail", found[0])

    def test_a_daemon_names_its_themes_too(self):
        texts = {"lib/base/a.h": "", "lib/codec/b.h": "", "qmgr/CMakeLists.txt": "qm_daemon(qmgr THEMES base)\n",
                 "qmgr/x.c": '#include "a.h"\n#include "b.h"\n'}
        found = faults("theme-includes", texts)
        self.assertEqual(len(found), 1)
        self.assertIn("qmgr/x.c:2:", found[0])

    def test_a_header_s_name_is_there_once(self):
        self.assertEqual(len(faults("theme-includes", {"lib/base/a.h": "", "lib/mail/a.h": ""})), 1)


class Contracts(unittest.TestCase):
    def names(self, text):
        return [name for _, name in contracts.uncommented(text)]

    def test_a_function_without_a_comment_is_found(self):
        self.assertEqual(self.names("#include <x.h>\n\nint one(int a);\n"), ["one"])
        self.assertEqual(self.names("/* About the file. */\n\nstruct buf *one(int a,\n    int b);\n"), ["one"])
        self.assertEqual(self.names("struct a {\n    int b;\n    /* octets */\n};\nvoid one(void);\n"), ["one"])
        self.assertEqual(self.names("struct a {\n    int b; /* octets */\n};\nvoid one(void);\n"), ["one"])
        self.assertEqual(self.names("int one(int a); /* good */\n\nint two(int a);\nint three(int a);\n"),
                         ["two", "three"])
        self.assertEqual(self.names("/* Good. */\nint one(void);\n\nint two(void);\n"), ["two"])

    def test_comments_before_behind_and_for_a_group_count(self):
        for text in ("/* Good. */\nint one(int a);\n", "int one(int a); /* good */\n",
                     "/* Both. */\nint one(int a);\nint two(int a);\n", "int one(int a);\nint two(int a); /* good */\n",
                     "int one(int a);\n/* Good. */\nint two(int a);\n",
                     "/* It is\n * good. */\nint one(int a,\n        int b) __attribute__((format(printf, 1, 2)));\n",
                     "/* Opaque. */\nstruct a;\nstruct a *one(void);\n",
                     "int one(int a,\n        int b); /* good */\n"):
            self.assertEqual(self.names(text), [], text)

    def test_what_is_no_exported_function_needs_none(self):
        for text in ("typedef int (*fn)(int);\n", "struct a {\n    int (*call)(void *);\n};\n",
                     "#define F(x) \\\n    g(x);\n", "static inline int f(int a)\n{\n    return g(a);\n}\n",
                     "extern const char *const names[];\n"):
            self.assertEqual(self.names(text), [], text)

    def test_the_check_covers_lib_and_daemons(self):
        self.assertEqual(len(faults("header-contracts", {"lib/base/a.h": "int f(void);\n", "qmgr/b.h": "int g(void);\n",
                                                         "tests/c.h": "int h(void);\n"})), 2)


class Texts(unittest.TestCase):
    def test_unbounded_calls_are_found_in_code_alone(self):
        bad = "int f(void)\n{\n    strcpy (a, b);\n    x = sprintf(a, b);\n}\n"
        self.assertEqual([fault.split(": ")[0] for fault in faults("unbounded-calls", {"smtpd/a.c": bad})],
                         ["smtpd/a.c:3", "smtpd/a.c:4"])
        good = '/* strcpy(a, b) */\nsnprintf(a, n, "gets(x)"); my_gets(x); strtok_of(y); // gets(x)\n'
        self.assertEqual(faults("unbounded-calls", {"smtpd/a.c": good}), [])

    def test_a_long_file_is_found(self):
        self.assertEqual(len(faults("long-files", {"lib/base/a.c": "\n" * 801})), 1)
        self.assertEqual(faults("long-files", {"lib/base/a.c": "\n" * 800, "man/a.7": "\n" * 2000}), [])

    def test_unfinished_work_and_workplace_paths_are_found(self):
        for text in ("/* TO" "DO: later */", "FIX" "ME", "# X" "XX", "see /wo" "rk/main/x", "in /tmp/w" "t/a",
                     "at /home/me/qm/build"):
            self.assertEqual(len(faults("forbidden-words", {"a.txt": text + "\n"}, root="/home/me/qm")), 1, text)
        for text in ("mkstemp(\"aX" "XXXXX\")", "TO" "DOS", "lib/wo" "rk/a", "/home/me/qm-other", "http://h/wo" "rk"):
            self.assertEqual(faults("forbidden-words", {"a.txt": text}, root="/home/me/qm"), [], text)


class Messages(unittest.TestCase):
    def test_a_message_is_in_the_manual_page(self):
        texts = {"lib/proto/proto_submit.h": "enum { MSG_SUBMIT_BEGIN = 1, MSG_SUBMIT_END };\n/* MSG_NOT_REAL */\n",
                 "lib/proto/proto_submit.c": "recv(fd, p, n, MSG_DONTWAIT);\n"}
        self.assertIn("is missing", faults("protocol-messages", texts)[0])
        texts["man/quartermaster-ipc.7"] = ".B MSG_SUBMIT_BEGIN\n"
        self.assertEqual(faults("protocol-messages", texts),
                         ["lib/proto/proto_submit.h:1: MSG_SUBMIT_END is not in man/quartermaster-ipc.7"])
        texts["man/quartermaster-ipc.7"] += ".It Dv MSG\\_SUBMIT\\_END\n"
        self.assertEqual(faults("protocol-messages", texts), [])

    def test_it_is_silent_only_without_the_folder(self):
        self.assertEqual(faults("protocol-messages", {}), [])
        self.assertEqual(len(faults("protocol-messages", {"lib/proto/x.c": "int a;\n"})), 1)

    def test_faults_name_tests_that_are_there(self):
        head = "| no. | the fault | noticed by |\n|---|---|---|\n"
        texts = {"tests/faults.md": head + "| 1 | a | `unit/x/test_y.c`: `there`, `gone` |\n| 2 | b | somebody |\n",
                 "tests/unit/x/test_y.c": "static void there(void **state)\n"}
        self.assertEqual(faults("faults", texts), ["tests/faults.md:3: unit/x/test_y.c has no gone",
                                                   "tests/faults.md:4: no test is named"])
        texts["tests/faults.md"] = head + "| 2 | a | `unit/x/test_y.c`: `there` |\n| 1 | b | `unit/x/test_y.c`: `there` |\n"
        self.assertEqual(faults("faults", texts), ["tests/faults.md: the numbers are not in order"])

    def test_alerts_are_about_what_is_counted(self):
        texts = {"dist/alerts.yml": "expr: quartermaster_qmgr_messages > quartermaster_delivery_lost_total\n",
                 "qmgr/queue.c": 'static const char *const a[] = {"messages", NULL};\n'}
        self.assertEqual(faults("alert-metrics", texts), ["dist/alerts.yml: nobody counts quartermaster_delivery_lost_total"])
        texts["delivery/main.c"] = 'const char *b = "lost_total reason=x";\n'
        self.assertEqual(faults("alert-metrics", texts), [])
        texts["dist/alerts.yml"] = "expr: quartermaster_dns_took_total\n"
        self.assertEqual(faults("alert-metrics", texts), ["dist/alerts.yml: nobody counts quartermaster_dns_took_total"])
        texts["lib/dns/x.c"] = 'const char *b = "dns:took_total type=%s";\n'
        self.assertEqual(faults("alert-metrics", texts), [])


def function(name, lines):
    return f"static int {name}(int a,\n    char *b)\n{{\n" + "    a++;\n" * lines + "}\n\n"


class Functions(unittest.TestCase):
    def test_functions_are_found_with_their_lengths(self):
        text = ("struct a {\n    int b;\n};\n\n#define M(x) {\n" + function("one", 3) +
                "static const int t[] =\n{\n    1,\n};\n" + function("two", 7))
        self.assertEqual([(name, length) for name, _, length in functions.lengths(text)], [("one", 3), ("two", 7)])

    def test_the_percentile_is_one_of_the_numbers(self):
        self.assertEqual(functions.percentile([], 95), 0)
        self.assertEqual(functions.percentile([5], 95), 5)
        self.assertEqual(functions.percentile(range(1, 101), 95), 95)
        self.assertEqual(functions.percentile([1, 2, 3], 50), 2)

    def test_long_functions_fail_the_tree_by_their_share(self):
        few = function("a", 10) * 19 + function("b", 200)
        self.assertEqual(faults("function-lengths", {"smtpd/a.c": few}), [])
        many = function("a", 10) * 18 + function("b", 61) * 2
        self.assertEqual(len(faults("function-lengths", {"smtpd/a.c": many})), 1)

    def test_the_report_names_folders_and_the_worst(self):
        lines, _ = functions.report(trees.Tree({"smtpd/a.c": function("a", 10), "lib/base/b.c": function("worst", 99)}))
        self.assertTrue(any(line.split() == ["smtpd", "1", "10", "10", "10"] for line in lines))
        self.assertTrue(any("lib/base/b.c:1 worst" in line for line in lines), lines)


class Whole(unittest.TestCase):
    def test_a_tree_on_disk_is_read_and_a_fault_ends_with_1(self):
        script = pathlib.Path(lint.__file__)
        with tempfile.TemporaryDirectory() as root:
            for path, text in (("CMakeLists.txt", CMAKE), ("lib/base/a.c", "int f(void)\n{\n    gets(x);\n}\n")):
                (pathlib.Path(root) / path).parent.mkdir(parents=True, exist_ok=True)
                (pathlib.Path(root) / path).write_text(text)
            for check, code in (("unbounded-calls", 1), ("long-files", 0), ("no-such", 2)):
                done = subprocess.run(["python3", script, "--root", root, check], capture_output=True, text=True)
                self.assertEqual(done.returncode, code, done.stdout + done.stderr)
            self.assertNotEqual(subprocess.run(["python3", script, "--root", root], capture_output=True).returncode, 0)

    def test_every_check_has_been_seen_to_fail_here(self):
        tested = pathlib.Path(__file__).read_text()
        for name in lint.CHECKS:
            self.assertIn(f'faults("{name}"', tested)


if __name__ == "__main__":
    unittest.main(verbosity=2)
