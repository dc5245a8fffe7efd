"""The house rules that can be counted.

    python3 rules.py ROOT RULE      checks one rule; `python3 rules.py ROOT --list` names them

A rule is a function from the tree to findings; its first sentence says what must hold. Every rule
has a case in rules_test.py that breaks it.
"""

import re
import statistics
import sys

import cpp_source
from tree import PRODUCT, Finding, Tree

FUNCTION_LINES_MAX = 70
FUNCTION_LINES_MEDIAN_MAX = 10
COLUMNS_MAX = 100
FILE_LINES_MAX = 600

# Files over FILE_LINES_MAX lines, each with the reason why it is better whole.
LONG_FILES = {}

BANNED_WORDS = {"util", "utils", "helper", "helpers", "common", "misc", "impl"}
# Manager is the name of the two processes and of what owns a process's memory, nothing else.
MANAGERS = {"JobManager", "TaskManager", "MemoryManager"}

# Third-party headers, by how their path starts, and the folders or files that may include them.
# Everybody else gets what they need from a header of ours. Tests may open any door.
DOORS = {
    "librdkafka/": ("operators/",),
    "boost/asio": ("runtime/net/",),
    "boost/beast": ("runtime/net/",),
    "boost/json": (
        "runtime/boost_json.cc",
        "runtime/cli/client_verbs.cc",
        "runtime/cli/json_fields.",
        "runtime/cli/memory_sums.cc",
        "runtime/cli/progress_text.",
        "runtime/web/job_views.cc",
    ),
    "yaml.h": ("runtime/config/",),
    "CLI/": ("runtime/cli/",),
    "spdlog/": ("runtime/base/log.cc",),
    "Eigen/": ("ml/",),
    "rocksdb/": ("runtime/state/",),
}

# What makes a run depend on more than its inputs and seed, and where it may stand.
CHANCE = re.compile(
    r"\b(?:steady_clock|system_clock|high_resolution_clock)::now\b|\bs?rand\s*\(|\bsleep_for\b"
    r"|\bsleep_until\b|\b(?:u|nano)sleep\s*\(|\brandom_device\b"
)
CHANCE_ALLOWED = (
    "runtime/base/",
    "runtime/process/node.cc",  # Draws the seed of a process that nobody gave one.
    "runtime/cli/client_verbs.cc",  # `--wait` asks a server that may be on another machine.
    "tests/integration/",
    "tests/bench/",
)

OPEN_END = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")


def function_length(tree):
    """No function is longer than 70 lines, and half of the product's are shorter than 10."""
    lengths = []
    for path in tree.cpp():
        for function in cpp_source.functions(tree.read(path)):
            if path.split("/")[0] in PRODUCT:
                lengths.append(function.line_count)
            if function.line_count > FUNCTION_LINES_MAX:
                text = f"{function.name} has {function.line_count} lines, over {FUNCTION_LINES_MAX}"
                yield Finding(path, function.line, text)
    if lengths:
        median = statistics.median(lengths)
        print(f"{len(lengths)} functions: median {median} lines, longest {max(lengths)}")
        if median >= FUNCTION_LINES_MEDIAN_MAX:
            yield Finding("product", 0, f"the median function has {median} lines")


def line_length(tree):
    """No line of code is longer than 100 columns."""
    for path in tree.ending(".h", ".cc", ".proto", ".py") + tree.scripts():
        for number, line in enumerate(tree.read(path).split("\n"), 1):
            if len(line) > COLUMNS_MAX:
                yield Finding(path, number, f"{len(line)} columns, over {COLUMNS_MAX}")


def file_length(tree):
    """No source file has more than 600 lines, unless LONG_FILES says why."""
    for path in tree.cpp():
        count = tree.read(path).count("\n")
        if count > FILE_LINES_MAX and path not in LONG_FILES:
            yield Finding(path, 0, f"{count} lines, over {FILE_LINES_MAX}: split it")
        if count <= FILE_LINES_MAX and path in LONG_FILES:
            yield Finding(path, 0, "is short again: take it from LONG_FILES")


def _class_fault(name):
    words = {word.lower() for word in re.findall(r"[A-Z][a-z0-9]*", name)}
    if words & BANNED_WORDS:
        return f"class {name} is named for being useful: name what it does"
    if re.match(r"I[A-Z][a-z]", name):
        return f"class {name} has the prefix I: name the concept"
    if name.endswith("Manager") and name not in MANAGERS:
        return f"class {name}: Manager is kept for {', '.join(sorted(MANAGERS))}"
    return None


def names(tree):
    """Files and classes are named for a concept."""
    declaration = re.compile(r"\b(?:class|struct)\s+(?:\[\[\w+\]\]\s*)?([A-Z]\w*)")
    for path in tree.paths:
        stem = path.split("/")[-1].split(".")[0]
        banned = set(re.split(r"[_-]", stem.lower())) & BANNED_WORDS
        if banned:
            yield Finding(path, 0, f"'{banned.pop()}' in a file name: name the concept")
    for path in tree.cpp():
        code = cpp_source.code_only(tree.read(path))
        for match in declaration.finditer(code):
            fault = _class_fault(match.group(1))
            if fault:
                yield Finding(path, code.count("\n", 0, match.start()) + 1, fault)


def open_ends(tree):
    """Nothing is left for later in a comment."""
    for path in tree.ending(".h", ".cc", ".proto", ".py", ".txt", ".md", ".yaml") + tree.scripts():
        for number, line in enumerate(tree.read(path).split("\n"), 1):
            match = OPEN_END.search(line)
            if match:
                yield Finding(path, number, f"{match.group(0)}: do it or leave it out")


def _listed_words(tree, folder):
    path = f"{folder}/CMakeLists.txt" if folder else "CMakeLists.txt"
    if path not in tree.paths:
        return set()
    text = re.sub(r"#[^\n]*", "", tree.read(path))
    return set(re.split(r"[\s()\"]+", text))


def _listed_from_root(tree):
    """What any CMakeLists.txt names by its path from the root of the project."""
    pattern = re.compile(r"\$\{PROJECT_SOURCE_DIR\}/([\w./-]+)")
    lists = [path for path in tree.paths if path.split("/")[-1] == "CMakeLists.txt"]
    return {name for path in lists for name in pattern.findall(tree.read(path))}


def _is_listed(tree, path):
    parts = path.split("/")
    for depth in range(len(parts) - 1, -1, -1):
        if "/".join(parts[depth:]) in _listed_words(tree, "/".join(parts[:depth])):
            return True
    return False


def listed(tree):
    """Every source file, and every header of the product, is in a CMakeLists.txt."""
    shared = _listed_from_root(tree)
    for path in tree.ending(".cc") + [path for path in tree.product_cpp() if path.endswith(".h")]:
        if path not in shared and not _is_listed(tree, path):
            yield Finding(path, 0, "is in no CMakeLists.txt, so nothing builds or tests it")


def doors(tree):
    """A third-party library is included by the folder that is its door alone."""
    for path in tree.product_cpp():
        for number, include in cpp_source.includes(tree.read(path)):
            for start, allowed in DOORS.items():
                if include.startswith(start) and not path.startswith(allowed):
                    yield Finding(path, number, f"{include} is for {', '.join(allowed)} alone")


def determinism(tree):
    """Time, chance and waiting come from an interface."""
    for path in tree.cpp():
        if path.startswith(CHANCE_ALLOWED):
            continue
        code = cpp_source.code_only(tree.read(path))
        for match in CHANCE.finditer(code):
            line = code.count("\n", 0, match.start()) + 1
            yield Finding(path, line, f"{match.group(0)}: take a Clock, a Random or a deadline")


def header_comments(tree):
    """A product header starts with its purpose; one with a class says Threads: and Failure:.

    Words that share an answer may share a line: "Threads, Failure: as Learner says."
    """
    for path in tree.product_cpp():
        if not path.endswith(".h"):
            continue
        text = tree.read(path)
        comment = text.split("#pragma once")[0]
        if "#pragma once" not in text:
            yield Finding(path, 1, "has no #pragma once")
        elif not comment.startswith("// "):
            yield Finding(path, 1, "does not start with its purpose in a comment")
        elif re.search(r"^class \w[^;]*\{", text, re.M):
            for word in ("Threads", "Failure"):
                if not re.search(rf"^// (?:\w+, )*{word}(?:, \w+)*:", comment, re.M):
                    yield Finding(path, 1, f"the comment at its top does not say {word}:")


def readmes(tree):
    """Every folder of the product that is a target has a README.md."""
    for path in tree.ending("/CMakeLists.txt"):
        folder = path.removesuffix("/CMakeLists.txt")
        declares = re.search(r"\b(?:millrace|add)_library\(", tree.read(path))
        if declares and f"{folder}/README.md" not in tree.paths:
            yield Finding(folder, 0, "has no README.md")


RULES = {
    rule.__name__: rule
    for rule in (
        function_length,
        line_length,
        file_length,
        names,
        open_ends,
        listed,
        doors,
        determinism,
        header_comments,
        readmes,
    )
}


def main(root, rule):
    if rule == "--list":
        print("\n".join(RULES))
        return 0
    findings = list(RULES[rule](Tree(root)))
    for finding in findings:
        print(finding)
    print(f"{rule}: {RULES[rule].__doc__.splitlines()[0]} {len(findings)} findings.")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
