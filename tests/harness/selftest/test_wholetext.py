import random
import unittest

from harness import wholetext

HEAD = "Subject: a\r\n\r\n"


class WholeText(unittest.TestCase):
    def test_a_text_is_whole_with_either_line_end(self):
        for size in (0, 62, 300, 5000):
            octets = (HEAD + wholetext.text(random.Random(size), size)).encode()
            self.assertTrue(wholetext.is_whole(octets))
            self.assertTrue(wholetext.is_whole(octets.replace(b"\r\n", b"\n")))

    def test_what_is_cut_changed_or_mixed_is_not(self):
        one, other = ((HEAD + wholetext.text(random.Random(seed), 300)).encode() for seed in (1, 2))
        for octets in (one[:-1], one[:-62], one + b"\r\n", one[:-10] + b"x" + one[-9:], one[:200] + other[200:], HEAD.encode(), b""):
            self.assertFalse(wholetext.is_whole(octets), octets)


if __name__ == "__main__":
    unittest.main()
