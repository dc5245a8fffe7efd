"""A tree that stands in memory, for the cases of the checkers."""

import pathlib

from tree import Tree


class FakeTree(Tree):
    def __init__(self, files, root="/nonexistent"):  # Without a call to the real one on purpose.
        self.root = pathlib.Path(root)
        self.files = files
        self.paths = sorted(files)

    def read(self, path):
        return self.files[path]

    def _starts_as_script(self, path):
        return self.files[path].startswith("#!")
