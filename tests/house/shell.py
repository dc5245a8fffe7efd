"""Every shell script passes shellcheck.

    python3 shell.py ROOT      exits with 77 (skipped) where shellcheck is not installed
"""

import shutil
import subprocess
import sys

from tree import Tree

SKIPPED = 77


def main(root):
    scripts = Tree(root).scripts()
    if not shutil.which("shellcheck"):
        print("Skipped: needs shellcheck")
        return SKIPPED
    if not scripts:
        print("found no shell script at all: this check is broken")
        return 1
    print("shellcheck", *scripts, flush=True)
    return subprocess.run(["shellcheck", *scripts], cwd=root, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
