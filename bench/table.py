"""Tables of figures in Markdown, each row written as soon as there is one."""

import statistics


def begin(*columns):
    print(f"| {' | '.join(['', *columns])} |\n|{'---|' * (len(columns) + 1)}", flush=True)


def row(words, *cells):
    print(f"| {' | '.join([words, *cells])} |", flush=True)


def cell(values, digits=2):
    """The median with the least and the most of several rounds; what was measured once says so. Text stays as it is,
    and None, for what there is not, is a dash."""
    if values is None:
        return "-"
    if isinstance(values, str):
        return values
    if len(values) == 1:
        return f"{values[0]:.{digits}f} (once)"
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def ratio(ours, theirs, less=False):
    """Of the medians. less: whether less is better."""
    if not isinstance(ours, list) or not isinstance(theirs, list):
        return "-"
    return f"{statistics.median(ours) / statistics.median(theirs):.2f}{' (less is better)' if less else ''}"
