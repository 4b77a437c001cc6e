"""The frame of a test script: unittest inside a sandbox.

    class Relaying(case.LanCase):
        def test_mail_reaches_the_next_hop(self):
            us = self.lan.host("us")
            ...

    if __name__ == "__main__":
        case.main()

Every test method has a fresh network in self.lan. When it fails, the end of every host's logs is
printed; whole logs stay in <build>/run/<script's name>/. A process or namespace that outlives the test methods
fails the script.
"""

import os
import pathlib
import sys
import time
import unittest

from . import net, sandbox

LONG = os.environ.get("QM_LONG") == "1"  # ./dev test --long: a test may take its long form

class LanCase(unittest.TestCase):
    """A test case with a network of its own for each test method."""

    longMessage = True

    def setUp(self):
        self.lan = self.enterContext(net.Net(self._testMethodName))

    def describe(self):
        """What is printed when a test fails."""
        return self.lan.report()


class _Result(unittest.TextTestResult):
    """Prints how long each test took, and a failed test's logs before its network is taken down."""

    def startTest(self, test):
        self._began = time.monotonic()
        super().startTest(test)

    def addSuccess(self, test):
        unittest.TestResult.addSuccess(self, test)
        self.stream.writeln(f"ok ({time.monotonic() - self._began:.1f} s)")

    def getDescription(self, test):
        return test.shortDescription() or test._testMethodName.removeprefix("test_").replace("_", " ")

    def addError(self, test, error):
        super().addError(test, error)
        self._describe(test)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self._describe(test)

    def _describe(self, test):
        if hasattr(test, "describe") and hasattr(test, "lan"):
            self.stream.writeln(test.describe())


def script_name():
    """folder.NN-name of the running script, as ctest names it."""
    path = pathlib.Path(sys.argv[0]).resolve()
    return f"{path.parent.name}.{path.stem}"


def run(module="__main__"):
    """Runs the tests of the module; returns whether all passed. Without a sandbox."""
    runner = unittest.TextTestRunner(stream=sys.stdout, resultclass=_Result, verbosity=2)
    return unittest.main(module=module, testRunner=runner, exit=False).result.wasSuccessful()


def main():
    """Enters the sandbox, runs the calling script's tests and ends the process."""
    sandbox.enter(script_name())
    good = run()
    left = [f"process {pid}: {line}" for pid, line in sandbox.processes().items()]
    left += [f"network namespace {name}" for name in os.listdir("/run/netns")]
    for what in left:
        print(f"left behind: {what}")
    sys.exit(0 if good and not left else 1)
