"""Who may include whom."""

import re

import tree as trees


def cmake_calls(text, function):
    """Argument lists of every call of a CMake function, comments left out."""
    text = re.sub(r"#[^\n]*", "", text)
    return [match.split() for match in re.findall(rf"\b{function}\s*\(([^)]*)\)", text)]


def _lists(words):
    """["conf", "THEMES", "base", "codec"] as {"": ["conf"], "THEMES": ["base", "codec"]}."""
    found, key = {"": []}, ""
    for word in words:
        if word.isupper():
            key = word
            found.setdefault(key, [])
        else:
            found[key].append(word)
    return found


def named_themes(tree):
    """folder -> set of lib folders that its line in the build names."""
    named = {}
    for words in cmake_calls(tree.texts.get("CMakeLists.txt", ""), "qm_theme"):
        lists = _lists(words)
        if lists[""]:
            named[f"lib/{lists[''][0]}"] = {f"lib/{theme}" for theme in lists.get("THEMES", [])}
    for daemon in trees.DAEMONS:
        for words in cmake_calls(tree.texts.get(f"{daemon}/CMakeLists.txt", ""), "qm_daemon"):
            named.setdefault(daemon, set()).update(f"lib/{theme}" for theme in _lists(words).get("THEMES", []))
        for words in cmake_calls(tree.texts.get(f"{daemon}/CMakeLists.txt", ""), "qm_use_themes"):
            named.setdefault(daemon, set()).update(f"lib/{theme}" for theme in words[1:])
    return named


def edges(tree):
    """(path, line, folder, header's folder, name) of every include of a header of the tree.

    A name that stands in the file's own folder is that one; else the first folder that has it.
    """
    headers = tree.headers()
    for path, folder, text in tree.code():
        for line, name in trees.includes(text):
            bare_name = name.rpartition("/")[2]
            owners = headers.get(bare_name, [])
            if name != bare_name:  # "../qmgr/store.h", "qmgr/store.h"
                named = [owner for owner in owners if owner.rpartition("/")[2] in name.split("/")]
                owners = named or owners
            if owners:
                yield path, line, folder, folder if folder in owners else owners[0], name


def include_cycles(tree):
    """Folders do not include each other in a circle."""
    graph, where = {}, {}
    for path, line, folder, owner, name in edges(tree):
        if owner != folder:
            graph.setdefault(folder, set()).add(owner)
            where.setdefault((folder, owner), f'{path}:{line}: includes "{name}" of {owner}')
    cycle = _find_cycle(graph)
    if cycle is None:
        return []
    return [where[pair] + ", a part of the circle " + " -> ".join(cycle) for pair in zip(cycle, cycle[1:])]


def _find_cycle(graph):
    done, path = set(), []

    def visit(node):
        if node in path:
            return path[path.index(node):] + [node]
        if node in done:
            return None
        path.append(node)
        for target in sorted(graph.get(node, ())):
            cycle = visit(target)
            if cycle:
                return cycle
        path.pop()
        done.add(node)
        return None

    return next(filter(None, map(visit, sorted(graph))), None)


def daemon_includes(tree):
    """A daemon includes no other daemon's header, and lib/ includes none of a daemon."""
    return [f'{path}:{line}: {folder} includes "{name}" of {owner}; what two share belongs to lib/'
            for path, line, folder, owner, name in edges(tree)
            if owner in trees.DAEMONS and owner != folder]


def theme_includes(tree):
    """A folder includes headers only of themes that its line in the build names; names are unique."""
    named, faults = named_themes(tree), []
    for path, line, folder, owner, name in edges(tree):
        if owner.startswith("lib/") and owner != folder and owner not in named.get(folder, set()):
            faults.append(f'{path}:{line}: {folder} includes "{name}" of {owner}, which its line in CMakeLists.txt '
                          f"does not name")
    for name, owners in sorted(tree.headers().items()):
        libraries = [owner for owner in owners if owner.startswith("lib/")]
        if len(libraries) > 1:
            faults.append(f"{name}: a header of that name is in {' and in '.join(libraries)}")
    return faults
