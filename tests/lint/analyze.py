"""Clang's static analyzer over the C files of a build folder, a file per processor at a time.

    python3 tests/lint/analyze.py BUILD-FOLDER [WORD-IN-PATH...]

The compile commands are the build's own (compile_commands.json), without the tests. A finding is printed with the
way that leads to it, and makes the exit status 1. What the analyzer cannot know is told it by an assertion.
"""

import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys

CLANG = ["clang-14", "--analyze", "--analyzer-output", "text", "-w"]


def arguments(command):
    """Those of the compiler that matter here: all but its own name, what to do and where to."""
    words = iter(shlex.split(command)[1:])
    for word in words:
        if word == "-o":
            next(words)
        elif word != "-c":
            yield word


def analyze(entry):
    done = subprocess.run([*CLANG, *arguments(entry["command"])], cwd=entry["directory"], capture_output=True, text=True)
    return done.stderr or (f"{entry['file']}: clang failed\n" if done.returncode else "")


def main(folder, *words):
    entries = json.loads((pathlib.Path(folder) / "compile_commands.json").read_text())
    wanted = [e for e in entries if "/tests/" not in e["file"] and (not words or any(w in e["file"] for w in words))]
    if not wanted:
        sys.exit(f"{folder} builds no such file")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        findings = [text for text in pool.map(analyze, wanted) if text]
    print("".join(findings), end="")
    print(f"{'ok' if not findings else 'failed'} static-analysis, {len(wanted)} files")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
