"""Passes CTest's output through and puts the reasons of skipped tests before its summary.

    ctest ... --output-junit REPORT.xml | python3 report.py REPORT.xml

CTest lists skipped tests without saying why. A test says why in its output, in a line that starts
with "Skipped: ". The summary is held back until the report is read, so that it still ends the
output.
"""

import sys
import xml.etree.ElementTree as ElementTree

SUMMARY_MARK = "% tests passed, "
REASON_MARK = "Skipped: "


def skipped_tests(report):
    """Maps each reason to the names of the tests that were skipped for it."""
    reasons = {}
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("skipped") is None and case.get("status") != "notrun":
            continue
        output = case.findtext("system-out") or ""
        lines = [line for line in output.splitlines() if line.startswith(REASON_MARK)]
        reason = lines[-1].removeprefix(REASON_MARK) if lines else "no reason given"
        reasons.setdefault(reason, []).append(case.get("name"))
    return reasons


def print_skipped(report, out):
    """Prints one line per reason and one per test."""
    try:
        reasons = skipped_tests(report)
    except (OSError, ElementTree.ParseError) as error:
        print(f"No report of skipped tests: {error}", file=out)
        return
    count = sum(len(names) for names in reasons.values())
    print(f"\nSkipped tests: {count}", file=out)
    for reason, names in sorted(reasons.items()):
        print(f"  {reason}", file=out)
        for name in names:
            print(f"    {name}", file=out)


def main(report, lines, out):
    held = []
    for line in lines:
        if held or SUMMARY_MARK in line:
            held.append(line)
        else:
            out.write(line)
            out.flush()
    print_skipped(report, out)
    out.write("\n")
    out.writelines(held)


if __name__ == "__main__":
    main(sys.argv[1], sys.stdin, sys.stdout)
