"""The source tree as the checks see it: paths and texts, on disk or made up by a test."""

import os
import pathlib
import re
import subprocess

DAEMONS = ("master", "smtpd", "qmgr", "delivery", "webapi", "hooks", "vault", "commands")


class Tree:
    """texts: path (relative, with /) -> text. root: the folder it came from, or None when made up."""

    def __init__(self, texts, root=None):
        self.texts, self.root = texts, root

    @classmethod
    def at(cls, root):
        """Everything in the folder that is, or would be, under version control. Binary files are left out."""
        texts = {}
        for path in _listed(root):
            try:
                texts[path] = (pathlib.Path(root) / path).read_text()
            except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
                continue
        return cls(texts, str(root))

    def paths(self, *ends, under=""):
        """Sorted paths that end so, below a folder."""
        return sorted(path for path in self.texts if path.endswith(ends) and path.startswith(under))

    def code(self):
        """(path, folder, text) of each C file and header of lib/ and the daemons."""
        for path in self.paths(".c", ".h"):
            folder = folder_of(path)
            if folder is not None:
                yield path, folder, self.texts[path]

    def headers(self):
        """Bare name -> list of folders that have a header of that name."""
        found = {}
        for path, folder, _ in self.code():
            if path.endswith(".h"):
                found.setdefault(path.rpartition("/")[2], []).append(folder)
        return found


def _listed(root):
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        done = None
    if done is not None and done.returncode == 0:
        return [path for path in done.stdout.split("\0") if path]
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith((".git", "build"))]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return found


def folder_of(path):
    """The layer a file belongs to: "lib/smtp" or "qmgr"; None outside lib/ and the daemons."""
    parts = path.split("/")
    if parts[0] == "lib" and len(parts) == 3:
        return "/".join(parts[:2])
    return parts[0] if parts[0] in DAEMONS and len(parts) >= 2 else None


_NOT_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'', re.DOTALL)


def bare(text):
    """C text with comments and the insides of strings blanked, line for line as before."""
    def blank(match):
        token = match.group()
        inner = re.sub(r"[^\n]", " ", token)
        return token[0] + inner[1:-1] + token[-1] if token[0] in "\"'" else inner
    return _NOT_CODE.sub(blank, text)


def line_of(text, at):
    """The number of the line that offset `at` is in."""
    return text.count("\n", 0, at) + 1


_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.MULTILINE)


def includes(text):
    """(line, name) of each #include "name"."""
    return [(line_of(text, match.start()), match.group(1)) for match in _INCLUDE.finditer(text)]
