"""READMEs with commands that are there and commands that are not."""

import textwrap
import unittest

import readme_commands
from fake_tree import FakeTree

README = textwrap.dedent(
    """\
    Text with `./no/such` in it.

    ```sh
    ./tests/run --filter x   # ./not/this
    KEY=1 sudo ./deploy/gone && build/release/millrace demo
    millrace frobnicate | jq .
    ls /etc/passwd
    ```

    ```yaml
    path: ./no/such
    ```

    ```console
    $ millrace --help
    $ millrace submit jobs/ctr.yaml
    ```
    """
)


class ReadmeCommandsTest(unittest.TestCase):
    def test_reads_commands_of_shell_blocks_only(self):
        self.assertEqual(
            list(readme_commands.commands(README)),
            [
                (4, ["./tests/run", "--filter", "x"]),
                (5, ["./deploy/gone"]),
                (5, ["build/release/millrace", "demo"]),
                (6, ["millrace", "frobnicate"]),
                (6, ["jq", "."]),
                (7, ["ls", "/etc/passwd"]),
                (15, ["millrace", "--help"]),
                (16, ["millrace", "submit", "jobs/ctr.yaml"]),
            ],
        )

    def test_finds_missing_files_and_verbs(self):
        tree = FakeTree({"README.md": README, "tests/run": "#!"}, root="/nonexistent")
        found = [finding.line for finding in readme_commands.check(tree, {"demo", "submit"})]
        # The tree is not on disk, so tests/run is there but cannot be run.
        self.assertEqual(found, [4, 5, 6])

    def test_leaves_verbs_alone_without_a_program(self):
        tree = FakeTree({"README.md": "```sh\nmillrace frobnicate\n```\n"})
        self.assertEqual(list(readme_commands.check(tree, None)), [])


if __name__ == "__main__":
    unittest.main()
