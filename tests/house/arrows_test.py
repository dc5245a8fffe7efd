"""Draws arrows that are not allowed, and some that are."""

import unittest

import arrows
from fake_tree import FakeTree


def links(text):
    return [(finding.line, finding.text) for finding in arrows.check_links(text)]


def includes(files):
    return [(finding.path, finding.line) for finding in arrows.check_includes(FakeTree(files))]


class ArrowsTest(unittest.TestCase):
    def test_the_table_has_no_cycle(self):
        self.assertEqual(arrows.cycles(), [])
        self.assertEqual(arrows.cycles({"a": ("b",), "b": ("c",), "c": ("b",)}), ["b", "c"])

    def test_a_folder_reaches_what_its_row_reaches(self):
        self.assertEqual(arrows.reachable("data"), {"base", "memory"})
        self.assertIn("ml", arrows.reachable("task"))
        self.assertNotIn("net", arrows.reachable("operators"))

    def test_links_against_the_table_are_found(self):
        self.assertEqual(links("memory: millrace::base\nproto: \n"), [])
        self.assertEqual(
            links("base: \nml: millrace::base millrace::net\nstew: \n"),
            [(2, "ml may not link net"), (3, "target stew is not in the table of arrows.py")],
        )

    def test_includes_against_the_table_are_found(self):
        files = {
            "ml/a.cc": '#include "ml/a.h"\n#include "memory/a.h"\n#include "runtime/net/b.h"\n',
            "runtime/graph/a.h": '#include "proto/job.pb.h"\n#include "runtime/base/status.h"\n',
            "runtime/web/a.cc": '#include "tests/support/skip.h"\n',
            "runtime/stew/a.cc": "",
            "runtime/process/main.cc": '#include "runtime/web/a.h"\n',
            "runtime/cli/a.cc": '#include "runtime/process/node.h"\n',
            "tests/ml/a.cc": '#include "runtime/net/b.h"\n',
        }
        expected = [("ml/a.cc", 3), ("runtime/cli/a.cc", 1)]
        expected += [("runtime/stew/a.cc", 0), ("runtime/web/a.cc", 1)]
        self.assertEqual(includes(files), expected)


if __name__ == "__main__":
    unittest.main()
