"""Breaks every house rule once, and obeys it once beside that."""

import contextlib
import io
import unittest

import rules
from fake_tree import FakeTree


def findings(rule, files):
    with contextlib.redirect_stdout(io.StringIO()):
        return [(finding.path, finding.line) for finding in rules.RULES[rule](FakeTree(files))]


def function(line_count):
    return "void f() {\n" + "g();\n" * (line_count - 2) + "}\n"


class RulesTest(unittest.TestCase):
    def test_every_rule_is_broken_here(self):
        broken = {name.removeprefix("test_") for name in dir(self) if name.startswith("test_")}
        self.assertLessEqual(set(rules.RULES), broken)

    def test_function_length(self):
        files = {"ml/a.cc": function(2) * 3 + function(70), "tests/b.cc": "\n" + function(71)}
        self.assertEqual(findings("function_length", files), [("tests/b.cc", 2)])
        files = {"ml/a.cc": function(9) + function(11)}
        self.assertEqual(findings("function_length", files), [("product", 0)])

    def test_line_length(self):
        files = {
            "ml/a.cc": "x" * 100 + "\n" + "x" * 101,
            "deploy/run": "#!/usr/bin/env bash\n" + "y" * 101,
            "README.md": "z" * 300,
        }
        self.assertEqual(findings("line_length", files), [("ml/a.cc", 2), ("deploy/run", 2)])

    def test_file_length(self):
        files = {"ml/a.cc": "\n" * 600, "tests/b.h": "\n" * 601, "ml/c.md": "\n" * 700}
        self.assertEqual(findings("file_length", files), [("tests/b.h", 0)])

    def test_names(self):
        for path in ("ml/string_util.h", "tests/common.py", "deploy/kafka-helper"):
            self.assertEqual(findings("names", {path: ""}), [(path, 0)])
        for name in ("TimeUtils", "IOperator", "PoolImpl", "BufferManager", "HelperQueue"):
            files = {"ml/a.h": f"\nclass {name} {{}};"}
            self.assertEqual(findings("names", files), [("ml/a.h", 2)])
        fine = "class MemoryManager;\nstruct Implication {};\nclass IoError {};\n// class FooUtil\n"
        self.assertEqual(findings("names", {"ml/implicit.h": fine + "class Id {};"}), [])

    def test_open_ends(self):
        word = "TO" + "DO"
        files = {"ml/a.cc": f"// {word}: later\n", "jobs/a.md": "todos los dias"}
        self.assertEqual(findings("open_ends", files), [("ml/a.cc", 1)])

    def test_listed(self):
        files = {
            "ml/CMakeLists.txt": "library(ml HEADERS a.h SOURCES a.cc deep/b.cc\n# c.cc\n)",
            "ml/a.h": "",
            "ml/a.cc": "",
            "ml/deep/b.cc": "",
            "ml/c.cc": "",
            "ml/d.h": "",
            "tests/ml/e.h": "",
            "tests/ml/a.cc": "",
            "tests/ml/CMakeLists.txt": "test(SOURCES ${PROJECT_SOURCE_DIR}/tests/support/f.cc)",
            "tests/support/f.cc": "",
        }
        expected = [("ml/c.cc", 0), ("tests/ml/a.cc", 0), ("ml/d.h", 0)]
        self.assertEqual(findings("listed", files), expected)

    def test_doors(self):
        files = {
            "operators/kafka/source.cc": "#include <librdkafka/rdkafka.h>\n",
            "runtime/task/task.cc": "#include <vector>\n#include <librdkafka/rdkafka.h>\n",
            "runtime/web/routes.cc": "#include <boost/beast/http.hpp>\n",
            "runtime/base/crc32c.cc": "#include <boost/crc.hpp>\n",
            "tests/support/kafka.cc": "#include <librdkafka/rdkafka.h>\n",
        }
        expected = [("runtime/task/task.cc", 2), ("runtime/web/routes.cc", 1)]
        self.assertEqual(findings("doors", files), expected)

    def test_determinism(self):
        files = {
            "runtime/base/clock.cc": "steady_clock::now()",
            "runtime/task/a.cc": "// rand()\nauto t = std::chrono::steady_clock::now();",
            "tests/ml/b.cc": "std::this_thread::sleep_for(x);",
            "ml/c.cc": "int operand(int); strand(x); sleeper.sleep(x);",
        }
        expected = [("runtime/task/a.cc", 2), ("tests/ml/b.cc", 1)]
        self.assertEqual(findings("determinism", files), expected)

    def test_header_comments(self):
        good = "// Does it.\n//\n// Threads: any.\n// Failure: none.\n\n#pragma once\nclass A {};\n"
        files = {
            "ml/good.h": good,
            "ml/shared.h": good.replace("Threads: any.\n// Failure", "Threads, Limits, Failure"),
            "ml/values.h": "// Values.\n#pragma once\nclass Declared;\nstruct A {};\n",
            "ml/bare.h": "#pragma once\n// Threads: Failure:\n",
            "ml/silent.h": good.replace("Failure", "Mood"),
            "ml/unguarded.h": good.replace("#pragma once", ""),
            "tests/ml/free.h": "",
        }
        expected = [("ml/bare.h", 1), ("ml/silent.h", 1), ("ml/unguarded.h", 1)]
        self.assertEqual(findings("header_comments", files), expected)

    def test_readmes(self):
        files = {
            "ml/CMakeLists.txt": "millrace_library(ml)",
            "memory/CMakeLists.txt": "millrace_library(memory)",
            "memory/README.md": "",
            "runtime/CMakeLists.txt": "add_subdirectory(base)",
        }
        self.assertEqual(findings("readmes", files), [("ml", 0)])


if __name__ == "__main__":
    unittest.main()
