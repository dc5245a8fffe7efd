"""Checks that reasons of skipped tests stand before CTest's summary."""

import io
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import report  # noqa: E402

REPORT = """<?xml version="1.0"?>
<testsuite>
  <testcase name="a.passes" status="run"><system-out>Skipped: no</system-out></testcase>
  <testcase name="b.skips" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>
    <system-out>Filters: x
Skipped: needs a broker
</system-out></testcase>
  <testcase name="c.is silent" status="notrun"><skipped message=""/><system-out/></testcase>
</testsuite>
"""
OUTPUT = ["1/3 a.passes\n", "\n", "67% tests passed, 1 tests failed out of 3\n", "\n", "Total\n"]


class ReportTest(unittest.TestCase):
    def test_reasons_come_before_the_summary(self):
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(REPORT)
            file.flush()
            out = io.StringIO()
            report.main(file.name, OUTPUT, out)
        text = out.getvalue()
        self.assertIn("Skipped tests: 2\n  needs a broker\n    b.skips\n", text)
        self.assertIn("  no reason given\n    c.is silent\n", text)
        self.assertTrue(text.startswith("1/3 a.passes\n"))
        self.assertTrue(text.endswith("".join(OUTPUT[2:])))

    def test_a_missing_report_is_said(self):
        out = io.StringIO()
        report.main("/no/such/report.xml", OUTPUT, out)
        self.assertIn("No report of skipped tests", out.getvalue())
        self.assertTrue(out.getvalue().endswith("Total\n"))


if __name__ == "__main__":
    unittest.main()
