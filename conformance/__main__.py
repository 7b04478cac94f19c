"""`python -m conformance --base URL --token TOKEN [--smart FILE]`: black-box checks by clause, against any server.

Prints one line a check, exits with 1 when one failed. It creates a few resources and images named Conformance.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from conformance import features, fhir, interactions, representations, searching
from conformance.check import Check, Failed, Given
from conformance.imaging.checks import CHECKS as DICOMWEB
from conformance.smart import parties
from conformance.smart.checks import CHECKS as SMART
from conformance.smart.scene import Scene
from conformance.target import Target

CHECKS: tuple[Check[Target], ...] = (
    *fhir.CHECKS,
    *interactions.CHECKS,
    *searching.CHECKS,
    *representations.CHECKS,
    *features.CHECKS,
    *DICOMWEB,
)

UNEXPECTED = (LookupError, TypeError, ValueError, AttributeError, AssertionError)
"""What a check runs into when an answer is of another form than it takes apart."""


def main(arguments: list[str] | None = None) -> int:
    """Run the checks; returns the exit code."""
    parser = argparse.ArgumentParser(prog="conformance", description="Black-box checks by clause.")
    parser.add_argument("--base", required=True, help="the server's root, e.g. http://127.0.0.1:8080")
    parser.add_argument("--token", help="an access token with the scope system/*.cruds")
    parser.add_argument(
        "--smart",
        type=Path,
        metavar="FILE",
        help="also the checks of SMART, with the people and apps of this file; see conformance.smart.prepare",
    )
    options = parser.parse_args(arguments)
    target = Target(options.base.rstrip("/"), options.token)
    failures = _run(CHECKS, target)
    if options.smart is not None:
        failures += _run(SMART, Scene(target, parties.read(options.smart)))
    total = len(CHECKS) + (len(SMART) if options.smart is not None else 0)
    print(f"{total - failures} passed, {failures} failed")
    return 1 if failures else 0


def _run(checks: Sequence[Check[Given]], given: Given) -> int:
    """Run some checks; the number of those that failed."""
    return sum(map(partial(_fails, given), checks))


def _fails(given: Given, check: Check[Given]) -> bool:
    try:
        check.run(given)
    except Failed as failure:
        print(f"FAIL  {check.clause}: {check.requirement}: {failure}")
        return True
    except UNEXPECTED as failure:
        print(f"FAIL  {check.clause}: {check.requirement}: an answer has another form than expected: {failure!r}")
        return True
    print(f"pass  {check.clause}: {check.requirement}")
    return False


if __name__ == "__main__":
    sys.exit(main())
