"""Reading the suite's log: one line of logfmt an event (lib/base/log.h)."""

import re

_PAIR = re.compile(r'([A-Za-z0-9_.-]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)(\.\.\.)?')
_ESCAPE = re.compile(rb'\\(x[0-9a-f]{2}|.)')
_NAMED = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def parse(line):
    """The line as a dict of texts (octets that are not UTF-8 as lone surrogates), or None when it is not a
    line of logfmt that begins with l= p= m=. A value that the writer cut keeps its "..."."""
    values, at = {}, 0
    line = line.rstrip("\n")
    while at < len(line):
        pair = _PAIR.match(line, at)
        if not pair or (pair.end() < len(line) and line[pair.end()] != " "):
            return None
        key, value, cut = pair.groups()
        values.setdefault(key, _unquoted(value) + (cut or ""))
        at = pair.end() + 1
    return values if list(values)[:3] == ["l", "p", "m"] else None


def _unquoted(value):
    if not value.startswith('"'):
        return value
    octets = value[1:-1].encode("utf-8", "surrogateescape")
    return _ESCAPE.sub(_one, octets).decode("utf-8", "surrogateescape")


def _one(match):
    text = match.group(1)
    return bytes([int(text[1:], 16)]) if len(text) == 3 else _NAMED.get(text, text)


def matches(entry, wanted):
    """Whether the entry has every key of `wanted` with that value (compared as text)."""
    return all(entry.get(key) == str(value) for key, value in wanted.items())
