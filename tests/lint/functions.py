"""How long functions are. Counted is the body's lines between its braces, blank ones and comments included."""

import re

import tree as trees

P95_LIMIT = 60
WORST = 10
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)[ \t]*\([^;{}]*\)[^;{}()]*$")


def lengths(text):
    """(name, first line, lines of body) of every function in C text in the tree's style, where a body's
    braces stand alone in the first column."""
    found, lines = [], trees.bare(text).split("\n")
    start = name = None
    for i, line in enumerate(lines):
        if line.rstrip() == "{" and start is None:
            start, name = i, _head(lines, i)
        elif line.startswith("}") and start is not None:
            if name is not None:
                found.append((name[0], name[1], i - start - 1))
            start = None
    return found


def _head(lines, brace):
    """(name, line number) of the function whose body opens at index `brace`, or None for another block."""
    first = brace
    while first > 0 and brace - first < 12 and lines[first - 1].strip() and \
            not lines[first - 1].startswith(("}", "#")) and not lines[first - 1].rstrip().endswith(";"):
        first -= 1
    name = _NAME.search("\n".join(lines[first:brace]))
    return (name.group(1), first + 1) if name else None


def percentile(numbers, percent):
    """The least number that at least `percent` of them do not exceed; 0 for none."""
    ordered = sorted(numbers)
    if not ordered:
        return 0
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def report(tree):
    """Lines of the report, and the faults."""
    groups, every = {}, []
    for path, folder, text in tree.code():
        for name, line, length in lengths(text):
            groups.setdefault(folder, []).append(length)
            every.append((length, f"{path}:{line}", name))
    lines = [f"{'folder':16} {'functions':>9} {'median':>6} {'p95':>4} {'longest':>7}"]
    rows = sorted(groups.items()) + [("the tree", [length for length, _, _ in every])]
    for folder, numbers in rows:
        lines.append(f"{folder:16} {len(numbers):9} {percentile(numbers, 50):6} {percentile(numbers, 95):4} "
                     f"{max(numbers, default=0):7}")
    lines.append(f"the {WORST} longest:")
    lines += [f"  {length:4} {place} {name}" for length, place, name in sorted(every, reverse=True)[:WORST]]
    p95 = percentile([length for length, _, _ in every], 95)
    return lines, [f"the 95th percentile is {p95} lines, more than {P95_LIMIT}"] if p95 > P95_LIMIT else []


def function_lengths(tree):
    """The 95th percentile of function lengths is at most 60 lines. Prints a report."""
    lines, faults = report(tree)
    print("\n".join(lines))
    return faults
