"""cmake --install puts everything where it belongs, and it works from there."""

import os
import pathlib
import re
import shutil
import stat
import subprocess
import tempfile
import unittest

from harness import sandbox
from harness import suite as suites

PROGRAMS = ["sbin/quartermaster", "sbin/sendmail", "bin/qmctl",
            *(f"libexec/quartermaster/qm-{name}" for name in ("smtpd", "qmgr", "delivery", "webapi", "hooks", "vault"))]
LINKS = {"bin/mailq": "../sbin/sendmail", "bin/newaliases": "../sbin/sendmail", "sbin/rmail": "sendmail",
         "lib/sendmail": "../sbin/sendmail", "share/man/man8/rmail.8": "sendmail.8"}
FILES = ["lib/sysusers.d/quartermaster.conf", "lib/tmpfiles.d/quartermaster.conf",
         "share/doc/quartermaster/examples/quartermaster.conf", "share/doc/quartermaster/examples/alerts.yml",
         "share/man/man5/quartermaster.conf.5",
         *(f"share/man/man{page.name[-1]}/{page.name}" for page in (sandbox.SOURCE / "man").glob("*.[1-8]"))]


def cached(name):
    """A variable of the build as it was configured."""
    text = (sandbox.build_dir() / "CMakeCache.txt").read_text()
    return re.search(rf"^{name}:\w+=(.*)$", text, re.MULTILINE).group(1)


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="qm-install-")))
        cls.folder.chmod(0o755)
        subprocess.run(["cmake", "--install", sandbox.build_dir()], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "DESTDIR": str(cls.folder)})
        cls.prefix = cls.folder / cached("CMAKE_INSTALL_PREFIX").lstrip("/")
        cls.unit = cls.folder / cached("QM_SYSTEMD_UNIT_DIR").lstrip("/") / "quartermaster.service"

    def run_program(self, *words):
        return subprocess.run([self.prefix / words[0], *words[1:]], capture_output=True, text=True, timeout=30)

    def test_everything_is_in_its_place(self):
        for name in PROGRAMS:
            with self.subTest(name):
                mode = (self.prefix / name).lstat().st_mode
                self.assertTrue(stat.S_ISREG(mode) and stat.S_IMODE(mode) == 0o755)
        for name in FILES:
            with self.subTest(name):
                mode = (self.prefix / name).lstat().st_mode
                self.assertTrue(stat.S_ISREG(mode) and stat.S_IMODE(mode) == 0o644)
        for name, target in LINKS.items():
            with self.subTest(name):
                self.assertEqual(os.readlink(self.prefix / name), target)
                self.assertTrue((self.prefix / name).exists())

    def test_nothing_that_only_builds_or_tests_is_installed(self):
        found = {path.name for path in self.folder.rglob("*")}
        self.assertFalse({name for name in found if re.match(r"qm-settings|bench|unit-|fuzz|.*\.(a|mdoc|in)$", name)})

    def test_the_programs_run_from_there(self):
        version = cached("CMAKE_PROJECT_VERSION")
        for name, said in (("sbin/quartermaster", "quartermaster"), ("bin/qmctl", "qmctl"),
                           ("bin/mailq", "mailq of quartermaster"), ("lib/sendmail", "sendmail of quartermaster")):
            done = self.run_program(name, "--version")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, f"{said} {version}\n", ""))

    def test_a_suite_runs_from_there(self):
        with suites.Suite(None, program=self.prefix / "sbin/quartermaster") as suite:
            config = suite.folder / "state/quartermaster.conf"
            done = subprocess.run([self.prefix / "sbin/sendmail", "-C", config, "you@example.org"],
                                  input="Subject: hello\n\nhi\n", capture_output=True, text=True, timeout=30)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            suite.wait_log(m="delivered", stage="maildir")

    def test_the_example_is_a_good_configuration(self):
        example = self.prefix / "share/doc/quartermaster/examples/quartermaster.conf"
        done = self.run_program("sbin/quartermaster", "-n", "-c", example)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, f"{example}: good\n", ""))

    def test_the_unit_starts_what_is_installed(self):
        programs = re.findall(r"^Exec\w+=(\S+)", self.unit.read_text(), re.MULTILINE)
        self.assertEqual([pathlib.Path(one).name for one in programs], ["quartermaster", "qmctl"])
        for one in programs:
            self.assertTrue((self.folder / one.lstrip("/")).is_file(), one)

    def test_there_is_a_user_for_each_default_of_the_configuration(self):
        made = set(re.findall(r"^u (\S+)", (self.prefix / "lib/sysusers.d/quartermaster.conf").read_text(), re.MULTILINE))
        page = (self.prefix / "share/man/man5/quartermaster.conf.5").read_text().replace("\\-", "-")
        wanted = set(re.findall(r'^\.Ql "(qm-\w+)"', page, re.MULTILINE))
        self.assertEqual(len(wanted), 6)
        self.assertEqual(made, wanted)

    @unittest.skipUnless(shutil.which("systemd-sysusers"), "systemd-sysusers is not installed")
    def test_the_users_can_be_made(self):
        root = self.folder / "root-of-users"
        (root / "etc").mkdir(parents=True)
        (root / "usr/lib/sysusers.d").mkdir(parents=True)
        shutil.copy(self.prefix / "lib/sysusers.d/quartermaster.conf", root / "usr/lib/sysusers.d")
        done = subprocess.run(["systemd-sysusers", f"--root={root}"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex((root / "etc/passwd").read_text(), r"(?m)^qm-queue:x:\d+:\d+:[^:]+:/:/usr/sbin/nologin$")

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
    def test_the_unit_says_nothing_that_systemd_does_not_know(self):
        copy = self.folder / "quartermaster.service"
        copy.write_text(re.sub(r"(?m)^(Exec\w+)=.*", r"\1=/bin/true", self.unit.read_text()))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
