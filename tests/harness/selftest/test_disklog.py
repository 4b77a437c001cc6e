"""disklog.py: what strace saw of a program is read right, and a cut leaves what is durable for certain, and the rest by chance."""

import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

from harness import disklog

PROGRAM = """
import ctypes, os, sys
os.mkdir("box", dir_fd=os.open(".", os.O_RDONLY))
here = os.open("box", os.O_RDONLY)
file = os.open("one", os.O_RDWR | os.O_CREAT, dir_fd=here)
os.write(file, b"ab")
os.write(file, b"cd")
assert ctypes.CDLL(None).fallocate(file, 1, ctypes.c_long(0), ctypes.c_long(1 << 20)) == 0  # FALLOC_FL_KEEP_SIZE
os.pwrite(file, b"xyz" * 1000, 8)
os.fsync(file)
os.ftruncate(file, 3)
os.rename("one", "two", src_dir_fd=here, dst_dir_fd=here)
os.fsync(here)
waits = os.open("two", os.O_RDWR | os.O_DSYNC, dir_fd=here)
os.pwrite(waits, b"Z", 1)
if os.fork() == 0:
    os.unlink("two", dir_fd=here)
    os.write(file, b"nobody reads this")
    os._exit(0)
os.wait()
"""
OTHER = """
import ctypes, os
file = os.open("one", os.O_RDWR | os.O_CREAT)
ctypes.CDLL(None).fallocate(file, 0, ctypes.c_long(0), ctypes.c_long(4096))
"""


class Reading(unittest.TestCase):
    def setUp(self):
        self.work = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.folder = self.work / "folder"

    def record(self, program):
        """What it did, started with the recorder's words in a folder that is empty."""
        recorder = disklog.Recorder(self.work, self.folder)
        self.folder.mkdir()
        subprocess.run([*recorder.words(), sys.executable, "-c", program], cwd=self.folder, check=True)
        recorder.stop()
        return recorder, recorder.events()

    def test_each_call_is_an_event(self):
        recorder, events = self.record(PROGRAM)
        self.assertEqual([(one.kind, one.path) for one in events],
                         [("folder", "box"), ("create", "box/one"), ("write", "box/one"), ("write", "box/one"),
                          ("write", "box/one"), ("sync", "box/one"), ("cut", "box/one"), ("rename", "box/one"), ("sync", "box"),
                          ("write", "box/two"), ("remove", "box/two")])
        self.assertEqual([(one.offset, one.data, one.synced) for one in events if one.kind == "write"],
                         [(0, b"ab", False), (2, b"cd", False), (8, b"xyz" * 1000, False), (1, b"Z", True)])
        self.assertEqual([one.to for one in events if one.kind == "rename"], ["box/two"])
        self.assertEqual(list(recorder.before.iterdir()), [])
        self.assertEqual(recorder.claims, 1)

    def test_a_call_that_nobody_taught_it_is_told(self):
        with self.assertRaisesRegex(AssertionError, "does not know what fallocate leaves"):
            self.record(OTHER)

    def test_what_runs_already_is_recorded(self):
        self.folder.mkdir()
        (self.folder / "old").write_bytes(b"0123456789")
        program = "import os\nfile = os.open('old', os.O_RDWR | os.O_DSYNC)\nprint(flush=True)\ninput()\nos.pwrite(file, b'x', 5)"
        with subprocess.Popen([sys.executable, "-c", program], cwd=self.folder, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            recorder = disklog.Recorder(self.work, self.folder, [process.pid])
            process.communicate(b"\n")
        recorder.stop()
        self.assertEqual([(one.kind, one.offset, one.data, one.synced) for one in recorder.events()], [("write", 5, b"x", True)])
        self.assertEqual((recorder.before / "old").read_bytes(), b"0123456789")


class Cutting(unittest.TestCase):
    def setUp(self):
        self.before = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.time = 0

    def event(self, kind, path, data=b"", began=None, **more):
        self.time += 2
        return disklog.Event(self.time - 1 if began is None else began, self.time, kind, path, octets=memoryview(data), **more)

    def outcomes(self, events):
        """All that a cut after the last of the events left in many tries: {path: octets, or None for a folder} as sets of pairs."""
        found = set()
        for seed in range(300):
            left = disklog.Disk(self.before, events).cut(len(events), random.Random(seed))
            found.add(frozenset([(path, bytes(left.octets(path))) for path in left.files] +
                                [(path, None) for path in left.folders]))
        return [dict(one) for one in found]

    def assertOutcomes(self, events, *wanted):
        found = self.outcomes(events)
        self.assertCountEqual(found, wanted)

    def test_a_write_is_certain_once_it_is_synced(self):
        (self.before / "f").write_bytes(b"....")
        write = self.event("write", "f", b"ab", offset=1)
        self.assertOutcomes([write], {"f": b"...."}, {"f": b".ab."})
        self.assertOutcomes([write, self.event("sync", "f")], {"f": b".ab."})

    def test_a_sync_that_began_before_the_write_ended_says_nothing_of_it(self):
        (self.before / "f").write_bytes(b"....")
        write = self.event("write", "f", b"ab")
        self.assertOutcomes([write, self.event("sync", "f", began=write.at - 1)], {"f": b"...."}, {"f": b"ab.."})

    def test_a_write_that_waits_for_itself_covers_no_other(self):
        (self.before / "f").write_bytes(b"....")
        self.assertOutcomes([self.event("write", "f", b"a"), self.event("write", "f", b"b", offset=3, synced=True)],
                            {"f": b"...b"}, {"f": b"a..b"})

    def test_a_write_can_be_there_in_part(self):
        (self.before / "f").write_bytes(b"." * 1024)
        found = self.outcomes([self.event("write", "f", b"x" * 1024)])
        self.assertCountEqual([one["f"] for one in found],
                              [first * 512 + second * 512 for first in (b".", b"x") for second in (b".", b"x")])

    def test_a_shortened_file_is_so_once_it_is_synced(self):
        (self.before / "f").write_bytes(b"abcd")
        cut = self.event("cut", "f", offset=2)
        self.assertOutcomes([cut], {"f": b"abcd"}, {"f": b"ab"})
        self.assertOutcomes([cut, self.event("sync", "f")], {"f": b"ab"})

    def test_a_name_is_certain_once_its_folder_is_synced(self):
        events = [self.event("create", "f"), self.event("write", "f", b"a"), self.event("sync", "f")]
        self.assertOutcomes(events, {}, {"f": b"a"})
        self.assertOutcomes([*events, self.event("sync", "")], {"f": b"a"})
        self.assertOutcomes([*events, self.event("sync", ""), self.event("remove", "f")], {}, {"f": b"a"})
        self.assertOutcomes([*events, self.event("sync", ""), self.event("remove", "f"), self.event("sync", "")], {})

    def test_what_is_in_a_folder_goes_with_its_name(self):
        events = [self.event("folder", "d"), self.event("create", "d/f"), self.event("sync", "d")]
        self.assertOutcomes(events, {}, {"d": None, "d/f": b""})
        self.assertOutcomes([*events, self.event("sync", "")], {"d": None, "d/f": b""})

    def test_a_new_name_is_certain_once_its_folder_is_synced_and_the_old_one_gone_then(self):
        (self.before / "a").mkdir()
        (self.before / "b").mkdir()
        both = {"a": None, "b": None}
        made = [self.event("create", "a/f"), self.event("rename", "a/f", to="b/g")]
        self.assertOutcomes(made, both, both | {"a/f": b""}, both | {"b/g": b""})
        self.assertOutcomes([*made, self.event("sync", "b")], both | {"b/g": b""})
        self.assertOutcomes([made[0], self.event("sync", "a"), self.event("rename", "a/f", to="b/g")],
                            both | {"a/f": b""}, both | {"b/g": b""})

    def test_one_that_takes_anothers_place_leaves_one_of_them(self):
        (self.before / "f").write_bytes(b"old")
        events = [self.event("create", "n"), self.event("write", "n", b"new"), self.event("sync", "n"), self.event("sync", ""),
                  self.event("rename", "n", to="f")]
        self.assertOutcomes(events, {"f": b"old", "n": b"new"}, {"f": b"new"})

    def test_it_is_written_as_it_was_left(self):
        (self.before / "queue").mkdir()
        (self.before / "mail").mkdir()
        left = disklog.Disk(self.before, [self.event("create", "queue/f"), self.event("sync", "queue")]).cut(2, random.Random(1))
        left.write(self.before / "whole")
        left.write(self.before / "part", "mail")
        self.assertEqual(sorted(str(one.relative_to(self.before)) for one in self.before.rglob("*")),
                         ["mail", "part", "part/mail", "queue", "whole", "whole/mail", "whole/queue", "whole/queue/f"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
