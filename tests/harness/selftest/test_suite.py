"""suite.py with a stand-in for the suite: a start and stop that went wrong is told."""

import os
import pathlib
import signal
import subprocess
import tempfile
import unittest

from harness import suite as suites

HERE = pathlib.Path(__file__).resolve().parent


class Suites(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        os.chmod(cls.folder, 0o755)
        cls.program = f"{cls.folder}/quartermaster"
        subprocess.run(["cc", "-D_GNU_SOURCE", "-o", cls.program, HERE / "standin.c"], check=True)
        os.link(cls.program, f"{cls.folder}/qmctl")

    def suite(self, mode="", config="listen ${port:smtp} ${port:http} ${port:smtp} in ${dir}\n"):
        made = suites.Suite(config, program=self.program, env={"STANDIN": mode})
        self.addCleanup(subprocess.run, ["rm", "-rf", made.folder])
        return made

    def test_a_good_run_leaves_nothing(self):
        with self.suite() as suite:
            self.assertEqual(len(suite.processes()), 2)
            entry = suite.wait_log(m="up")
            self.assertEqual(int(entry["uid"]), suites.NOBODY if os.geteuid() == 0 else os.geteuid())
            text = suite.config_path.read_text()
            first, second = suite.port("smtp"), suite.port("http")
            self.assertIn(f"listen {first} {second} {first} in {suite.folder}\n", text)
            self.assertIn("state-dir", text)
            found = suite.processes()
        self.assertFalse(suite.folder.exists())
        for pid in found:
            self.assertFalse(pathlib.Path(f"/proc/{pid}/exe").exists())

    def test_it_can_be_started_again(self):
        suite = suites.Suite("x", program=self.program, folder=f"{self.folder}/again")
        for _ in range(2):
            suite.start()
            suite.stop()
        self.assertEqual(len(suite.find_log(m="up")), 2)

    def test_a_crash_ends_all_of_it_and_is_forgiven(self):
        suite = suites.Suite("x", program=self.program, folder=f"{self.folder}/crash", env={"STANDIN": "error"})
        suite.start()
        found = suite.processes()
        suite.kill()
        self.assertEqual(suites._still_there(found), {})
        suite.env["STANDIN"] = ""
        suite.start()
        suite.stop()

    def test_each_fault_is_told(self):
        for mode, words in (("dies", "ended with 3 before it was ready"), ("silent", "not ready"),
                            ("error", "broken"), ("stray", "AddressSanitizer"), ("code", "ended with 4"),
                            ("orphan", "left processes behind"), ("deaf", "did not stop")):
            with self.subTest(mode=mode):
                suite = self.suite(mode)
                with self.assertRaisesRegex(suites.SuiteError, words):
                    suite.start(timeout=1)
                    suite.stop(timeout=1)
                suite._end_all(suite.processes())
                if suite.process is not None:
                    suite.process.wait()

    def test_an_allowed_error_is_no_fault(self):
        suite = self.suite("error")
        suite.allow_error("broken")
        with suite:
            pass

    def test_the_end_of_the_program_during_a_test_is_told(self):
        suite = self.suite().start()
        os.kill(suite.process.pid, signal.SIGKILL)
        suite.process.wait()
        with self.assertRaisesRegex(suites.SuiteError, "ended with -9"):
            suite.stop()

    def test_qmctl_answers_as_a_value(self):
        with self.suite() as suite:
            self.assertEqual(suite.qmctl("status"), {"words": 5})
            self.assertEqual(suite.qmctl("status", check=False).returncode, 0)

    def test_localserve_has_the_ports_of_its_offset(self):
        suite = suites.Suite(None, program=self.program)
        self.addCleanup(subprocess.run, ["rm", "-rf", suite.folder])
        self.assertEqual(suite.port("submission") - suite.port("smtp"), 587 - 25)
        with suite:
            self.assertEqual(suite.wait_log(m="up")["args"], "6")


if __name__ == "__main__":
    unittest.main(verbosity=2)
