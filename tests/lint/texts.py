"""What no file may hold, and how long it may be."""

import re

import tree as trees

FILE_LINES = 800
_UNBOUNDED = re.compile(r"\b(strcpy|stpcpy|strcat|sprintf|vsprintf|gets|strtok|alloca|wcscpy|wcscat)\s*\(")
# Written in pieces so that this file passes its own check.
_WORDS = [re.compile(rf"\b{word}\b") for word in ("TO" "DO", "FIX" "ME", "X" "XX")]
_PLACES = [re.compile(place) for place in (r"(?<![\w.})-])/wo" r"rk/", r"/tmp/w" r"t\b", r"\bbash_" r"jobs\b")]


def unbounded_calls(tree):
    """No call of a string function that does not know its target's size."""
    faults = []
    for path in tree.paths(".c", ".h"):
        plain = trees.bare(tree.texts[path])
        for match in _UNBOUNDED.finditer(plain):
            faults.append(f"{path}:{trees.line_of(plain, match.start())}: {match.group(1)} does not know its target's size")
    return faults


def long_files(tree):
    """No source file of more than 800 lines."""
    return [f"{path}: {tree.texts[path].count(chr(10))} lines, more than {FILE_LINES}; is it still one thing?"
            for path in tree.paths(".c", ".h", ".py", ".sh")
            if tree.texts[path].count("\n") > FILE_LINES]


def forbidden_words(tree):
    """No mark of unfinished work, no path of somebody's workplace."""
    patterns = _WORDS + _PLACES
    if tree.root and tree.root.count("/") > 1:
        patterns = patterns + [re.compile(rf"{re.escape(tree.root)}(?![\w.-])")]
    faults = []
    for path in tree.paths(""):
        for number, line in enumerate(tree.texts[path].splitlines(), 1):
            for pattern in patterns:
                match = pattern.search(line)
                if match:
                    faults.append(f"{path}:{number}: {match.group()}")
    return faults
