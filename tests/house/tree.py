"""The files of the project, and findings about them."""

import pathlib
import subprocess
from typing import NamedTuple

# Folders that hold the product's C++ code.
PRODUCT = ("memory", "ml", "runtime", "operators")


class Finding(NamedTuple):
    path: str
    line: int  # From 1; 0 means the file as a whole.
    text: str

    def __str__(self):
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.text}"


class Tree:
    """The project's files below `root`: those that git tracks, and new ones it does not ignore.

    Without git (a source archive) every file counts, build folders left out.
    """

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.paths = sorted(self._from_git() or self._from_disk())

    def _from_git(self):
        command = ["git", "-C", str(self.root), "ls-files", "-z", "-c", "-o", "--exclude-standard"]
        try:
            listed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
        except (OSError, subprocess.CalledProcessError):
            return []
        return [path for path in set(listed.split("\0")) if path and (self.root / path).is_file()]

    def _from_disk(self):
        for path in self.root.rglob("*"):
            relative = path.relative_to(self.root)
            if path.is_file() and relative.parts[0] not in ("build", ".git", ".cache"):
                yield str(relative)

    def read(self, path):
        """The file's text; bytes that are not UTF-8, as in files that are wrong on purpose, too."""
        return (self.root / path).read_text(encoding="utf-8", errors="surrogateescape")

    def ending(self, *endings):
        """The paths with one of these endings."""
        return [path for path in self.paths if path.endswith(endings)]

    def cpp(self):
        return self.ending(".h", ".cc")

    def product_cpp(self):
        return [path for path in self.cpp() if path.split("/")[0] in PRODUCT]

    def scripts(self):
        """Shell scripts: they have no ending, and name their interpreter in the first line."""
        candidates = [path for path in self.paths if "." not in path.split("/")[-1]]
        return [path for path in candidates if self._starts_as_script(path)]

    def _starts_as_script(self, path):
        with open(self.root / path, "rb") as file:
            return file.read(64).startswith((b"#!/usr/bin/env bash", b"#!/bin/bash", b"#!/bin/sh"))
