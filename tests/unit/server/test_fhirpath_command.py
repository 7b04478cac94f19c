"""`healix fhirpath`: one JSON object on stdout, or a one-line reason and a code that is not zero."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from healix_fhir.model.xml.encode import encode
from healix_fhir.server.cli.main import app
from tests.support.resources import patient


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A patient in a file."""
    path = tmp_path / "patient.json"
    path.write_text(json.dumps(patient()))
    return path


def run(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command."""
    done = CliRunner().invoke(app, ["fhirpath", *arguments], input=stdin)
    return done.exit_code, done.stdout, done.stderr


def test_results_have_type_and_location(file: Path) -> None:
    """An element is shown with its FHIR type and where it is; a calculated value has no place; digits are kept."""
    code, shown, _ = run("name.given | 1.50 | 3 'mg'", str(file))
    assert code == 0
    assert json.loads(shown, parse_float=str)["results"] == [
        {"type": "string", "value": "Ada", "location": "Patient.name[0].given[0]"},
        {"type": "string", "value": "Augusta", "location": "Patient.name[0].given[1]"},
        {"type": "System.Decimal", "value": "1.50"},
        {"type": "System.Quantity", "value": "3 'mg'"},
    ]


def test_xml_from_standard_input() -> None:
    """A resource in XML is told by how it begins."""
    code, shown, _ = run("gender", "-", stdin=encode(patient()))
    assert (code, json.loads(shown)["results"][0]["value"]) == (0, "female")


@pytest.mark.parametrize(
    ("expression", "options", "reason"),
    [
        ("name[", [], "character 6"),
        ("name.nope()", [], "nope()"),
        ("name.use.single() + 1", [], "types"),
        ("Patient.nam", ["--strict"], "'nam' in Patient"),
    ],
)
def test_failures_have_a_reason(file: Path, expression: str, options: list[str], reason: str) -> None:
    """What cannot be evaluated ends with code 1 and one line on stderr."""
    code, shown, why = run(expression, str(file), *options)
    assert (code, shown) == (1, "")
    assert reason in why
    assert why.count("\n") == 1


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """No file, no JSON: the reason names it."""
    assert "No such file" in run("1", str(tmp_path / "none.json"))[2]
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    code, _, why = run("1", str(broken))
    assert (code, "malformed JSON" in why) == (1, True)
