"""Every function that a header of lib/ or a daemon declares has its contract beside it."""

import re

import tree as trees

# A declaration at the start of a line: a type, a name, an argument list, perhaps attributes.
_PROTOTYPE = re.compile(r"^(?!typedef\b|static\b|#|\s|\}|return\b)[A-Za-z_][\w \t*]*?\b([A-Za-z_]\w*)[ \t]*\([^;{}]*\)"
                        r"[^;{}=]*;", re.MULTILINE)


def prototypes(text):
    """(name, first offset, offset behind the line of the semicolon) of each function declared."""
    plain = re.sub(r"\\\n", "  ", trees.bare(text))
    plain = re.sub(r"^#[^\n]*", lambda match: " " * len(match.group()), plain, flags=re.MULTILINE)
    found = []
    for match in _PROTOTYPE.finditer(plain):
        if match.group(1) != "__attribute__":
            end = text.find("\n", match.end())
            found.append((match.group(1), match.start(), len(text) if end < 0 else end))
    return found


def uncommented(text):
    """(line, name) of each declared function without a contract.

    Declarations with no empty line between them are a group, such as the six that put one kind of
    number each; a comment before or behind any one of them is the group's. Whether it says enough of
    each is for the reader to judge.
    """
    missing, group, last_end = [], [], None
    for name, start, end in prototypes(text):
        if last_end is None or re.search(r"\n[ \t]*\n", text[last_end:start]):
            missing += _unless_commented(text, group)
            group = []
        group.append((name, start, end))
        last_end = end
    return missing + _unless_commented(text, group)


def _unless_commented(text, group):
    if any(_comment_before(text, start) or _comment_behind(text, start, end) for _, start, end in group):
        return []
    return [(trees.line_of(text, start), name) for name, start, _ in group]


def _comment_before(text, start):
    """Whether a comment on lines of its own stands before a declaration, with no empty line and no end of
    a block between; the declaration of an opaque struct may be there."""
    block = re.split(r"\n[ \t]*\n|\n}[^\n]*\n", text[:start])[-1]
    return re.search(r"^[ \t]*(?:/?\*.*)?\*/$", block, re.MULTILINE) is not None


def _comment_behind(text, start, end):
    return "/*" in text[start:end]


def header_contracts(tree):
    """Every function declared in a header has a contract comment before it, behind it, or for its group."""
    return [f"{path}:{line}: {name} has no contract: say what it takes, gives and owns, and how it fails"
            for path, _, text in tree.code() if path.endswith(".h")
            for line, name in uncommented(text)]
