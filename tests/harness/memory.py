"""What lies in the memory of another process, for looking for what must not be there. Needs root."""

import re

_LINE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)")
_PIECE = 16 << 20


def search(pid, needles):
    """needles: name -> octets. Returns name -> where in its memory such octets stand (the first place's mapping)."""
    longest = max(map(len, needles.values()))
    found = {}
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, what in _mappings(pid):
            for octets in _pieces(memory, start, end, longest):
                for name, needle in needles.items():
                    if name not in found and needle in octets:
                        found[name] = what or "anonymous"
    return found


def _mappings(pid):
    with open(f"/proc/{pid}/maps") as maps:
        for line in maps:
            start, end, rights, what = _LINE.match(line).groups()
            if rights.startswith("r") and what not in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
                yield int(start, 16), int(end, 16), what


def _pieces(memory, start, end, overlap):
    """The octets from start to end, piece by piece, each beginning with the last ones of the piece before."""
    at, tail = start, b""
    while at < end:
        try:
            memory.seek(at)
            octets = memory.read(min(_PIECE, end - at))
        except OSError:
            return  # a mapping that cannot be read, or that just went away
        if not octets:
            return
        yield tail + octets
        at, tail = at + len(octets), octets[-overlap:]
