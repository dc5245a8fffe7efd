"""The arrows between folders: which target may link and include which.

    python3 arrows.py ROOT ARROWS      ARROWS is build/.../arrows.txt, written by CMake

ALLOWED is the table of the design: what a folder may use directly. What those may use, it may use
too. A door that a folder may not open is handed to it by the program's main() as an interface.
"""

import sys

import cpp_source
from tree import Finding, Tree

ALLOWED = {
    "base": (),
    "memory": ("base",),
    "ml": ("base", "memory"),
    "proto": (),
    "config": ("base",),
    "jobfile": ("base", "config", "proto"),
    "net": ("base", "memory", "proto"),
    "data": ("base", "memory"),
    "graph": ("base", "proto"),
    "state": ("base", "memory", "data"),
    "operators": ("base", "data", "state", "ml", "proto"),
    "task": ("data", "net", "state", "operators"),
    "jobmanager": ("base", "graph", "net", "proto"),
    "taskmanager": ("task", "graph", "config", "jobfile"),
    "web": ("base", "proto", "net", "jobmanager"),
    "cli": ("base", "config", "jobfile", "proto", "net"),
}
TOP_FOLDERS = ("memory", "ml", "proto", "operators")  # The others stand below runtime/.
MAIN = "runtime/process/"  # The executable puts everything together; nothing may use it.


def reachable(folder, allowed=None):
    """All that `folder` may use: what stands in its row, and in the rows of those."""
    table = ALLOWED if allowed is None else allowed
    seen = set()
    waiting = list(table[folder])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(table[name])
    return seen


def cycles(allowed=None):
    """The folders of a table that can reach themselves."""
    table = ALLOWED if allowed is None else allowed
    return sorted(folder for folder in table if folder in reachable(folder, table))


def folder_of(path):
    """The target that a path belongs to; None for tests, jobs and the like."""
    parts = path.split("/")
    if path.startswith(MAIN):
        return None
    if parts[0] == "runtime" and len(parts) > 2:
        return parts[1]
    return parts[0] if parts[0] in TOP_FOLDERS and len(parts) > 1 else None


def check_links(text):
    """Findings for the target graph in `text`: lines of "target: millrace::a millrace::b"."""
    for number, line in enumerate(text.splitlines(), 1):
        target, _, links = line.partition(":")
        if target not in ALLOWED:
            yield Finding("arrows.txt", number, f"target {target} is not in the table of arrows.py")
            continue
        allowed = reachable(target)
        for link in links.split():
            name = link.removeprefix("millrace::")
            if name not in allowed:
                yield Finding("arrows.txt", number, f"{target} may not link {name}")


def check_includes(tree):
    """Findings for includes of the product's files."""
    for path in tree.product_cpp():
        folder = folder_of(path)
        if folder is None:
            continue
        if folder not in ALLOWED:
            yield Finding(path, 0, f"folder {folder} is not in the table of arrows.py")
            continue
        allowed = reachable(folder) | {folder}
        for number, include in cpp_source.includes(tree.read(path)):
            other = folder_of(include)
            if include.startswith(MAIN):
                yield Finding(path, number, f"nothing may include {include}")
            if other is not None and other not in allowed:
                yield Finding(path, number, f"{folder} may not include {include}")
            if include.startswith("tests/"):
                yield Finding(path, number, f"the product may not include {include}")


def main(root, arrows):
    findings = [Finding("arrows.py", 0, f"{name} can reach itself") for name in cycles()]
    with open(arrows, encoding="utf-8") as file:
        text = file.read()
    if not text.strip():
        findings.append(Finding("arrows.txt", 0, "is empty: CMake did not write the target graph"))
    findings += check_links(text)
    findings += check_includes(Tree(root))
    for finding in findings:
        print(finding)
    print(f"{len(text.splitlines())} targets, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
