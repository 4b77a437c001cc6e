"""The manual pages: each renders without a warning, refers to pages that exist, and says what the programs say."""

import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import sandbox

BIN = sandbox.build_dir() / "bin"
PAGES = sorted([*(sandbox.SOURCE / "man").glob("*.[1-8]"), *(sandbox.build_dir() / "man").glob("*.[1-8]")])
# Pages of others that ours refer to.
FOREIGN = {"fallocate(2)", "jq(1)", "resolv.conf(5)", "sd_notify(3)"}
_ROFF = [(r"\e", "\\"), (r"\-", "-"), (r"\(dq", '"'), (r"\&", "")]


def page(name):
    """The source of one page."""
    path, = [path for path in PAGES if path.name == name]
    return path.read_text()


def plain(source):
    """Text of a page without what roff alone needs."""
    for escape, text in _ROFF:
        source = source.replace(escape, text)
    return source


def examples(name):
    """The displays in the section EXAMPLES of a page, as a reader sees them."""
    section = page(name).partition(".Sh EXAMPLES\n")[2].partition("\n.Sh ")[0]
    return [plain(text) for text in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", section, re.DOTALL | re.MULTILINE)]


def run(*words):
    """The ended process of a program of the build."""
    return subprocess.run([BIN / words[0], *words[1:]], capture_output=True, text=True, timeout=30)


class Manuals(unittest.TestCase):
    def test_every_page_renders_without_a_warning(self):
        self.assertGreater(len(PAGES), 4)
        for path in PAGES:
            with self.subTest(path.name):
                done = subprocess.run(["groff", "-ww", "-mandoc", "-Tutf8", "-z", path], capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stderr), (0, ""))

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_mandoc_has_nothing_to_say(self):
        for path in PAGES:
            with self.subTest(path.name):
                done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path], capture_output=True, text=True)
                self.assertEqual(done.stdout + done.stderr, "")

    def test_a_page_that_is_referred_to_exists(self):
        ours = {re.sub(r"\.(\d)$", r"(\1)", path.name) for path in PAGES}
        for path in PAGES:
            with self.subTest(path.name):
                named = re.findall(r"^\.Xr (\S+) (\d)", path.read_text(), re.MULTILINE)
                self.assertEqual({f"{name}({section})" for name, section in named} - ours - FOREIGN, set())

    def test_every_option_of_the_usage_is_described(self):
        for program in ("quartermaster", "qmctl"):
            described = plain(page(f"{program}.8"))
            for option in re.findall(r"--([a-z-]+)", run(program, "-h").stdout + run(program, "queue", "-h").stdout):
                with self.subTest(f"{program} --{option}"):
                    self.assertRegex(described, rf"\bFl -{re.escape(option)}\b")

    def test_every_command_of_qmctl_is_described(self):
        described = page("qmctl.8")
        # "  queue    list|show|kick ...            look at the queue": columns of 8 and 42 characters.
        lines = re.findall(r"^  ([a-z]{3}.{5}) (.{42}) \S", run("qmctl", "-h").stdout, re.MULTILINE)
        self.assertGreater(len(lines), 5)
        for command, arguments in lines:
            for word in re.findall(r"[a-z]+", arguments) or [""]:
                with self.subTest(f"{command} {word}"):
                    self.assertRegex(described, rf"(?m)^\.It Cm {' '.join([command.strip(), word]).strip()}\b")

    def test_the_examples_of_the_configuration_are_good(self):
        shown = examples("quartermaster.conf.5")
        self.assertTrue(shown)
        for text in shown:
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder) / "quartermaster.conf"
                path.write_text(text)
                done = run("quartermaster", "-n", "-c", str(path))
                self.assertEqual((done.returncode, done.stderr), (0, ""), text)


if __name__ == "__main__":
    unittest.main()
