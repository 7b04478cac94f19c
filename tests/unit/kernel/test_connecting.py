"""How long a connection to the database may take, and what becomes of one whose other end is gone."""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from healix_fhir.kernel.database import WATCHED, watched

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


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db.example.org",
        "postgresql://u:p%40@db.example.org:5433/healix?sslmode=require",
        "postgresql:///healix?host=/run/postgresql",
        "host=db.example.org dbname='he alix'",
    ],
)
def test_a_line_is_watched(url: str) -> None:
    """Whatever form the name of a database has, it says the same as before, and how its line is watched."""
    given, found = conninfo_to_dict(url), conninfo_to_dict(watched(url))
    assert {name: found.pop(name) for name in WATCHED} == {name: str(value) for name, value in WATCHED.items()}
    assert found == given


@pytest.mark.parametrize("join", ["postgresql://a?{}&{}", "host=a {} {}"])
def test_the_operator_says_how(join: str) -> None:
    """What is said is left as it is; the rest is filled in."""
    url = join.format("keepalives_idle=600", "tcp_user_timeout=0")
    assert conninfo_to_dict(watched(url)) == conninfo_to_dict(url) | {
        "keepalives_interval": "10",
        "keepalives_count": "3",
    }


@pytest.mark.parametrize("url", ["", "nonsense"])
def test_what_names_no_database(url: str) -> None:
    """It is left to those who connect."""
    assert conninfo(watched(url)) == conninfo(url)


def conninfo(url: str) -> object:
    """What libpq reads in it, or says of it."""
    try:
        return conninfo_to_dict(url)
    except psycopg.Error as error:
        return str(error)
