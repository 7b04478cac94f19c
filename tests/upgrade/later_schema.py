"""A plugin for the tests of an earlier version: each database that it migrates is brought to the schema of this one.

`HEALIX_LATER` names the Python of this version, `HEALIX_LATER_ROOT` its directory.
"""

from __future__ import annotations

import os
import subprocess

from healix_fhir.server import migrate

MIGRATE = "import sys; from healix_fhir.server.migrate import migrate; migrate(sys.argv[1])"
_upgrade = migrate.upgrade


def upgrade(url: str, revision: str = "head") -> None:
    """Apply the migrations of the earlier version, then those of the later."""
    _upgrade(url, revision)
    if revision == "head":
        command = [os.environ["HEALIX_LATER"], "-c", MIGRATE, url]
        subprocess.run(command, check=True, cwd=os.environ["HEALIX_LATER_ROOT"])


migrate.upgrade = upgrade
