"""The table of faults names tests that are there."""

import re

PAGE = "tests/faults.md"
_ROW = re.compile(r"^\| *(\d+) *\|.*\| *(.+?) *\|$")
_WHERE = re.compile(r"`([^`]+/[^`]+)`: ((?:`\w+`(?:, )?)+)")


def faults(tree):
    """Every row of tests/faults.md names a test, in a file that has it."""
    if PAGE not in tree.texts:
        return []
    found, numbers = [], []
    for number, line in enumerate(tree.texts[PAGE].splitlines(), 1):
        row = _ROW.match(line)
        if not row:
            continue
        numbers.append(int(row[1]))
        tests = [(path, name) for path, names in _WHERE.findall(row[2]) for name in re.findall(r"`(\w+)`", names)]
        if not tests:
            found.append(f"{PAGE}:{number}: no test is named")
        found += [f"{PAGE}:{number}: {path} has no {name}" for path, name in tests
                  if not re.search(rf"\b{name}\b", tree.texts.get(f"tests/{path}", ""))]
    if numbers != sorted(set(numbers)):
        found.append(f"{PAGE}: the numbers are not in order")
    return found
