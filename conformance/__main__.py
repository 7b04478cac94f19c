"""`python -m conformance --base URL --token TOKEN`: black-box checks by clause, against any server.

Prints one line a check, exits with 1 when one failed. It creates a few resources named Conformance.
"""

from __future__ import annotations

import argparse
import sys

from conformance import dicomweb, features, fhir, interactions, representations, searching
from conformance.check import Failed
from conformance.target import Target

CHECKS = (
    *fhir.CHECKS,
    *interactions.CHECKS,
    *searching.CHECKS,
    *representations.CHECKS,
    *features.CHECKS,
    *dicomweb.CHECKS,
)


def main(arguments: list[str] | None = None) -> int:
    """Run the checks; returns the exit code."""
    parser = argparse.ArgumentParser(prog="conformance", description="Black-box checks by clause.")
    parser.add_argument("--base", required=True, help="the server's root, e.g. http://127.0.0.1:8080")
    parser.add_argument("--token", help="an access token with the scope system/*.cruds")
    options = parser.parse_args(arguments)
    target = Target(options.base.rstrip("/"), options.token)
    failed = 0
    for check in CHECKS:
        try:
            check.run(target)
        except Failed as failure:
            failed += 1
            print(f"FAIL  {check.clause}: {check.requirement}: {failure}")
        else:
            print(f"pass  {check.clause}: {check.requirement}")
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
