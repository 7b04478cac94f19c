"""Code systems that are loaded from files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from healix_fhir.kernel.errors import HealixError
from healix_fhir.server.cli.main import app
from healix_fhir.terminology import catalog, concepts
from healix_fhir.terminology.loading import load as loading
from healix_fhir.terminology.loading.distribution import Distribution
from healix_fhir.terminology.loading.format import Wanted
from healix_fhir.terminology.loading.formats import FORMATS
from tests.support.distributions import CSV, DISTRIBUTIONS, folder
from tests.support.fhir_server import SYSTEM, Pool, do, rows

URL = "urn:mine"


def load(pool: Pool, path: Path, version: str = "1", kind: str = "csv") -> str:
    """Load a code system from files."""
    files = Distribution(path)
    contents = FORMATS[kind].read(files, Wanted(URL, version))
    return loading.load(pool, contents, files.stamp, lambda _size: None)


def codes(pool: Pool, canonical: str) -> list[str]:
    """The codes of a code system in order; none where there is no such one."""
    system = do(pool, lambda: catalog.find_each(SYSTEM, [canonical]))[canonical]
    if system is None:
        return []
    return [one.code for one in do(pool, lambda: concepts.at(system, range(1, system.count + 1)))]


def many(directory: Path, size: int) -> Path:
    """A CSV file with a flat list of codes."""
    text = "code,display\n" + "".join(f"c{n},Number {n}\n" for n in range(size))
    return folder(directory, {"codes.csv": text})


@pytest.mark.parametrize("kind", DISTRIBUTIONS)
def test_every_format(pool: Pool, tmp_path: Path, kind: str) -> None:
    """What was read is in the tables, with hierarchy, designations and properties."""
    path = folder(tmp_path, DISTRIBUTIONS[kind])
    assert load(pool, path, kind=kind) == "loaded"
    read = FORMATS[kind].read(Distribution(path), Wanted(URL, "1")).entries
    assert sorted(codes(pool, URL)) == sorted(entry.code for entry in read)
    for table, expected in (
        ("concept_parent", sum(len(entry.parents) for entry in read)),
        ("concept_designation", sum(len(entry.designations) for entry in read)),
        ("concept_property", sum(len(entry.properties) for entry in read)),
    ):
        assert rows(pool, f"SELECT count(*) FROM {table}") == [(expected,)]


def test_versions_side_by_side(pool: Pool, tmp_path: Path) -> None:
    """Each version is there under its own; without one the latest is meant."""
    load(pool, many(tmp_path / "old", 1), "1")
    load(pool, many(tmp_path / "new", 2), "2")
    assert [codes(pool, canonical) for canonical in (URL, f"{URL}|1", f"{URL}|2")] == [
        ["c0", "c1"],
        ["c0"],
        ["c0", "c1"],
    ]


def test_loading_again(pool: Pool, tmp_path: Path) -> None:
    """The same files change nothing; others take the place of the version."""
    assert [load(pool, many(tmp_path / "a", 2)) for _ in range(2)] == ["loaded", "unchanged"]
    assert load(pool, many(tmp_path / "b", 3)) == "replaced"
    assert codes(pool, URL) == ["c0", "c1", "c2"]
    assert rows(pool, "SELECT count(*) FROM concept") == [(3,)]


def test_a_load_that_is_stopped(pool: Pool, tmp_path: Path) -> None:
    """Nothing of it is seen, what was there before stays, and the next load writes only what lacks."""
    load(pool, many(tmp_path / "old", 1))
    path = many(tmp_path / "new", 7)
    told: list[int] = []

    def stop(size: int) -> None:
        told.append(size)
        if sum(told) >= 4:
            raise KeyboardInterrupt

    files = Distribution(path)
    contents = FORMATS["csv"].read(files, Wanted(URL, "1"))
    with patch.object(loading, "STEP", 2):
        with pytest.raises(KeyboardInterrupt):
            loading.load(pool, contents, files.stamp, stop)
        assert codes(pool, URL) == ["c0"]
        told.clear()
        assert loading.load(pool, contents, files.stamp, told.append) == "replaced"
    assert told == [4, 2, 1]
    assert codes(pool, URL) == [f"c{n}" for n in range(7)]


def test_a_circle_is_refused(pool: Pool, tmp_path: Path) -> None:
    """A hierarchy that goes round is refused, and nothing of it stays."""
    text = "code,parent\na,c\nb,a\nc,b\n"
    with pytest.raises(HealixError, match="circle"):
        load(pool, folder(tmp_path, {"codes.csv": text}))
    assert rows(pool, "SELECT count(*) FROM code_system") == [(0,)]


@pytest.fixture
def cli(database_url: str, tmp_path: Path) -> Any:
    """Run a command of `healix terminology`: its exit code, and what it answers or why it stops."""

    def run(*line: str) -> tuple[int, Any]:
        env = {"HEALIX_DATABASE_URL": database_url}
        done = CliRunner().invoke(app, ["terminology", *line, "--data-dir", str(tmp_path)], env=env)
        return done.exit_code, json.loads(done.stdout) if done.stdout else done.stderr.strip()

    return run


def test_commands(cli: Any, tmp_path: Path) -> None:
    """A code system is loaded, listed and removed at the command line."""
    path = str(folder(tmp_path / "x", CSV))
    options = ("--format", "csv", "--system", URL, "--version", "1", "--name", "Mine")
    code, answer = cli("load", path, *options)
    assert (code, answer) == (0, {"url": URL, "version": "1", "name": "Mine", "outcome": "loaded", "concepts": 3})
    code, answer = cli("list")
    assert [(one["url"], one["version"], one["concepts"], "loaded" in one) for one in answer["code_systems"]] == [
        (URL, "1", 3, True)]  # fmt: skip
    assert cli("remove", URL, "1")[1]["outcome"] == "removed"
    assert cli("list")[1] == {"code_systems": []}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (("load", "none", "--format", "csv"), "there is no file or folder none"),
        (("load", ".", "--format", "xls"), "--format is one of csv, claml, icd10cm, loinc, rxnorm, snomed"),
        (("load", "<path>", "--format", "csv"), "--system"),
        (("load", "<path>", "--format", "csv", "--system", URL), "--version"),
        (("remove", URL, "1"), "was loaded"),
    ],
)
def test_commands_that_are_refused(cli: Any, tmp_path: Path, line: tuple[str, ...], reason: str) -> None:
    """A command that cannot be done says why in one line."""
    path = str(folder(tmp_path / "x", CSV))
    code, answer = cli(*(word.replace("<path>", path) for word in line))
    assert code == 1
    assert reason in answer
    assert "\n" not in answer
