"""Bodies of messages that show whether all of them is there."""

import hashlib
import re

DIGEST = re.compile(rb"\r?\n\r?\n([0-9a-f]{64})\r?\n(.*)", re.DOTALL)


def text(random_, size):
    """About so many octets: the digest of the rest stands in the first line."""
    rest = "".join(f"{random_.getrandbits(240):060x}\r\n" for _ in range(size // 62))
    return f"{hashlib.sha256(rest.encode()).hexdigest()}\r\n{rest}"


def is_whole(octets):
    """Whether this message's body is such a text, whole. Its lines may end in LF alone."""
    found = DIGEST.search(octets)
    return bool(found) and hashlib.sha256(found[2].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")).hexdigest().encode() == found[1]
