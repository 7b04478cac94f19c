"""How long a connection to the database may take."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ASK = (
    "import healix_fhir.kernel.database\n"
    "from psycopg.conninfo import conninfo_to_dict, timeout_from_conninfo\n"
    "print([timeout_from_conninfo(conninfo_to_dict(url)) for url in ('host=a', 'host=a connect_timeout=40')])"
)


@pytest.mark.parametrize(("told", "seconds"), [({}, "[10, 40]"), ({"PGCONNECT_TIMEOUT": "25"}, "[25, 40]")])
def test_who_is_not_answered_gives_up(told: dict[str, str], seconds: str) -> None:
    """After ten seconds, where neither the URL nor the operator's environment says otherwise: a pool whose threads wait
    for one that will never be answered serves nobody.
    """
    plain = {name: value for name, value in os.environ.items() if name != "PGCONNECT_TIMEOUT"}
    done = subprocess.run([sys.executable, "-c", ASK], env=plain | told, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == seconds
