"""The tree's own rules.

    python3 tests/lint/lint.py               all of them
    python3 tests/lint/lint.py CHECK...      some; --list names them
    python3 tests/lint/lint.py --root DIR    of another tree
"""

import argparse
import pathlib
import sys

import contracts
import faults
import functions
import layers
import messages
import texts
import tree as trees

CHECKS = {
    "include-cycles": layers.include_cycles,
    "daemon-includes": layers.daemon_includes,
    "theme-includes": layers.theme_includes,
    "header-contracts": contracts.header_contracts,
    "unbounded-calls": texts.unbounded_calls,
    "long-files": texts.long_files,
    "forbidden-words": texts.forbidden_words,
    "protocol-messages": messages.protocol_messages,
    "alert-metrics": messages.alert_metrics,
    "settings-read": messages.settings_read,
    "faults": faults.faults,
    "function-lengths": functions.function_lengths,
}


def main(arguments):
    parser = argparse.ArgumentParser(description="The tree's own rules.")
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--list", action="store_true")
    parser.add_argument("checks", nargs="*", metavar="CHECK")
    options = parser.parse_args(arguments)
    if options.list:
        for name, check in CHECKS.items():
            print(f"{name:18} {check.__doc__.splitlines()[0]}")
        return 0
    unknown = set(options.checks) - set(CHECKS)
    if unknown:
        parser.error(f"no such check: {', '.join(sorted(unknown))}")
    tree, failed = trees.Tree.at(options.root), 0
    for name in options.checks or CHECKS:
        faults = CHECKS[name](tree)
        failed += bool(faults)
        for fault in faults:
            print(f"{fault} [{name}]")
        print(f"{'not ok' if faults else 'ok'} {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
