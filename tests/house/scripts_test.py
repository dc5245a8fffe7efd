"""Runs the project's scripts wrongly: each must say in one line what is wrong."""

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
KAFKA = "deploy/kafka/kafka"
# What the scripts use besides what a case takes away.
TOOLS = "bash cat cut dirname env grep head id mkdir mktemp mv readlink rm sed sleep tr".split()


def run(script, *arguments, **environment):
    """Exit code, standard output, standard error."""
    done = subprocess.run(
        [ROOT / script, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


class ScriptsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def bare_path(self, **programs):
        """A PATH with the basic tools, and with `programs` as scripts of the given text."""
        folder = self.folder / "bin"
        folder.mkdir()
        for tool in TOOLS:
            (folder / tool).symlink_to(shutil.which(tool))
        for name, text in programs.items():
            (folder / name).write_text("#!/bin/bash\n" + text)
            (folder / name).chmod(0o755)
        return str(folder)

    def refused(self, code, text, script, *arguments, **environment):
        actual_code, _, errors = run(script, *arguments, **environment)
        self.assertIn(text, errors)
        self.assertEqual(errors.count("\n"), 1, errors)
        self.assertEqual(actual_code, code)

    def test_kafka_says_what_it_was_not_given(self):
        self.refused(64, "unknown verb 'dance'", KAFKA, "dance")
        self.refused(64, "start needs --data DIR", KAFKA, "start", "--port", "9092")
        self.refused(64, "start needs --port N", KAFKA, "start", "--data", self.folder / "k")
        self.refused(64, "--port needs a value", KAFKA, "start", "--port")
        self.refused(64, "not a port: '70000'", KAFKA, "topic", "list", "--port", "70000")
        self.refused(64, "unknown option '--colour'", KAFKA, "status", "--colour", "red")
        self.refused(64, "topic create needs a topic's name", KAFKA, "topic", "create")
        self.refused(64, "no such version: '4'", KAFKA, "fetch", "--version", "4")
        self.refused(1, "no node runs on", KAFKA, "status", "--data", self.folder)

    def test_kafka_says_which_program_is_missing(self):
        path = self.bare_path()
        start = ["start", "--data", self.folder / "k", "--port", "0"]
        self.refused(69, "Java is not installed. Hint:", KAFKA, *start, PATH=path)

    def test_kafka_says_that_java_is_too_old(self):
        path = self.bare_path(java="echo 'openjdk version \"11.0.2\"' >&2")
        start = ["start", "--data", self.folder / "k", "--port", "0"]
        self.refused(69, "Java 17 or newer is needed, found version 11", KAFKA, *start, PATH=path)

    def test_kafka_says_that_maven_is_missing(self):
        path = self.bare_path(java="echo 'openjdk version \"17.0.2\"' >&2")
        start = ["start", "--data", self.folder / "k", "--port", "0"]
        environment = {"PATH": path, "XDG_CACHE_HOME": str(self.folder)}
        self.refused(69, "Maven is not installed. Hint:", KAFKA, *start, **environment)

    def test_kafka_leaves_no_half_fetched_jars(self):
        path = self.bare_path(
            java="echo 'openjdk version \"17.0.2\"' >&2", mvn='touch "${@: -1}" && exit 1'
        )
        code, _, errors = run(KAFKA, "fetch", PATH=path, XDG_CACHE_HOME=str(self.folder))
        self.assertEqual((code, errors.count("\n")), (69, 1))
        left = sorted(entry.name for entry in (self.folder / "millrace").iterdir())
        self.assertEqual(left, ["kafka-4.1.1.log"])

    def test_kafka_says_that_its_port_is_taken(self):
        path = self.bare_path(java="echo 'openjdk version \"17.0.2\"' >&2")
        (self.folder / "millrace/kafka-4.1.1").mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = str(server.getsockname()[1])
            start = ["start", "--data", self.folder / "k", "--port", port]
            environment = {"PATH": path, "XDG_CACHE_HOME": str(self.folder)}
            self.refused(69, f"port {port} is taken. Hint:", KAFKA, *start, **environment)

    def test_kafka_says_that_nothing_runs_when_it_stops_twice(self):
        code, output, errors = run(KAFKA, "stop", "--data", self.folder)
        self.assertEqual((code, errors), (0, ""))
        self.assertIn("no node runs on", output)

    def test_install_says_what_is_missing_and_who_can_install_it(self):
        packages = self.folder / "packages"
        packages.write_text(
            "# comment\n"
            "build no-such-package-a - reason\n"
            "build no-such-package-b command:bash reason\n"
            "test  no-such-package-c java:999 reason\n"
        )
        environment = {"MILLRACE_PACKAGES": str(packages)}
        install = "deploy/install"
        if not shutil.which("dpkg-query"):
            self.skipTest("needs dpkg-query")
        self.refused(1, "missing: no-such-package-a\n", install, "--check", "build", **environment)
        text = "missing: no-such-package-a no-such-package-c"
        self.refused(1, text, install, "--check", "build", "test", **environment)
        self.refused(64, "name at least one group", install, **environment)

    def test_quickstart_says_where_to_look_when_the_build_cannot_be_configured(self):
        path = self.bare_path(cmake="echo 'no compiler' && exit 1")
        text = "the build could not be configured: see the end of build/quickstart.log"
        self.refused(1, text, "deploy/quickstart", "--no-install", PATH=path)

    def test_the_test_command_refuses_what_it_does_not_know(self):
        self.refused(64, "unknown option '--fast'", "tests/run", "--fast")
        self.refused(64, "--filter needs a value", "tests/run", "--filter")
        self.refused(64, "no such preset: quick", "tests/run", "--preset", "quick")


if __name__ == "__main__":
    unittest.main()
