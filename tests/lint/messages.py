"""Names that stand in two places: messages between daemons in their manual page, counters in the rules of alerts."""

import re

import tree as trees

PAGE = "man/quartermaster-ipc.7"
_MESSAGE = re.compile(r"\bMSG_[A-Z0-9_]+\b")
# Flags of send(2) and recv(2), which may stand in code that passes messages on.
_SYSTEM = {"MSG_DONTWAIT", "MSG_NOSIGNAL", "MSG_PEEK", "MSG_TRUNC", "MSG_CTRUNC", "MSG_CMSG_CLOEXEC", "MSG_WAITALL",
           "MSG_MORE", "MSG_EOR", "MSG_OOB", "MSG_ZEROCOPY", "MSG_ERRQUEUE", "MSG_DONTROUTE"}


def protocol_messages(tree):
    """Every MSG_ name in lib/proto stands in man/quartermaster-ipc.7."""
    names = {}
    for path in tree.paths(".h", ".c", under="lib/proto/"):
        plain = trees.bare(tree.texts[path])
        for match in _MESSAGE.finditer(plain):
            if match.group() not in _SYSTEM:
                names.setdefault(match.group(), f"{path}:{trees.line_of(plain, match.start())}")
    if not tree.paths("", under="lib/proto/"):
        print("there is no lib/proto yet")
        return []
    if PAGE not in tree.texts:
        return [f"{PAGE} is missing; it documents the {len(names)} messages of lib/proto"]
    documented = set(_MESSAGE.findall(tree.texts[PAGE].replace("\\_", "_").replace("\\-", "-")))
    return [f"{place}: {name} is not in {PAGE}" for name, place in sorted(names.items()) if name not in documented]


ALERTS = "dist/alerts.yml"
_METRIC = re.compile(r"\bquartermaster_[a-z]+_([a-z_]+)\b")


def alert_metrics(tree):
    """Every metric in dist/alerts.yml is counted by some process."""
    if ALERTS not in tree.texts:
        return []
    sources = "\n".join(text for _, _, text in tree.code())
    found = {match.group(1): match.group() for match in _METRIC.finditer(tree.texts[ALERTS])}
    return [f"{ALERTS}: nobody counts {whole}" for name, whole in sorted(found.items())
            if not re.search(rf'[":]{name}[" ]', sources)]
