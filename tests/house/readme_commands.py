"""The commands in READMEs exist.

    python3 readme_commands.py ROOT [MILLRACE]

In every fenced block marked sh, bash or console, a line that starts a file of the project
(`./tests/run`, `deploy/kafka/kafka`) must name one that is there and can be run, and a line that
calls `millrace VERB` must use a verb that `millrace --help` lists. Without the program, verbs are
not checked, and that is printed. Build folders are made by these commands, so they may be absent.
"""

import os
import pathlib
import re
import subprocess
import sys

from tree import Finding, Tree

_FENCE = re.compile(r"^(?P<fence>```+)(?P<kind>\w*)[^\n]*\n(?P<body>.*?)^(?P=fence)", re.M | re.S)
_SHELL_KINDS = ("sh", "bash", "console", "shell")
_ASSIGNMENT = re.compile(r"^\w+=\S*$")
_SKIPPED_WORDS = ("sudo", "time", "exec", "$")


def commands(text):
    """Every command of the shell blocks of a README: its line number and its words."""
    for match in _FENCE.finditer(text):
        if match.group("kind") not in _SHELL_KINDS:
            continue
        first = text.count("\n", 0, match.start("body")) + 1
        for number, line in enumerate(match.group("body").splitlines(), first):
            for part in re.split(r"&&|\|\||;|\|", line.split(" #")[0]):
                words = part.split()
                while words and (words[0] in _SKIPPED_WORDS or _ASSIGNMENT.match(words[0])):
                    words.pop(0)
                if words and not words[0].startswith("#"):
                    yield number, words


def fault(tree, folder, words, verbs):
    """What is wrong with one command of a README in `folder`; None when nothing is."""
    program = words[0]
    if program.split("/")[-1] == "millrace":
        verb = words[1] if len(words) > 1 else "--help"
        if verbs is not None and not verb.startswith("-") and verb not in verbs:
            return f"`millrace {verb}`: no such verb"
        return None
    if "/" not in program or program.startswith(("/", "~", "$", "http", "<")):
        return None
    path = os.path.normpath(program)
    if path.startswith("build/"):
        return None
    if path not in tree.paths and os.path.normpath(f"{folder}/{path}") not in tree.paths:
        return f"`{program}`: no such file"
    if path in tree.paths and not os.access(tree.root / path, os.X_OK):
        return f"`{program}`: cannot be run (not executable)"
    return None


def check(tree, verbs):
    for path in tree.ending("README.md"):
        for number, words in commands(tree.read(path)):
            text = fault(tree, str(pathlib.PurePath(path).parent), words, verbs)
            if text:
                yield Finding(path, number, text)


def verbs_of(program):
    """The verbs that the program's help lists: the first words of its indented lines."""
    text = subprocess.run([program, "--help"], capture_output=True, check=True, timeout=30).stdout
    return set(re.findall(r"^\s+([a-z][a-z-]*)\b", text.decode(), re.M))


def main(root, program=None):
    verbs = None
    if program and os.access(program, os.X_OK):
        verbs = verbs_of(program)
    else:
        print("The program is not built: verbs are not checked.")
    findings = list(check(Tree(root), verbs))
    for finding in findings:
        print(finding)
    print(f"{len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
