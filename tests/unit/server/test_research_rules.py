"""The file of rules of a research project."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicomweb.deidentify.options import PixelRule, Region, SafePrivate
from healix_fhir.kernel.errors import HealixError
from healix_fhir.server.cli.main import main
from healix_fhir.server.cli.research import Rules, rules_of

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "de-identify.md"


def test_the_rules_of_the_page_are_read(tmp_path: Path) -> None:
    """The example that people copy is a file of rules."""
    file = tmp_path / "rules.toml"
    file.write_text(PAGE.read_text().split("```toml\n")[1].split("```")[0])
    assert rules_of(file) == Rules(
        (
            PixelRule((Region(0, 0, -1, 40),), "US", "ACME", "Sono 9", 600, 800),
            PixelRule((), "OT", "Our own scripts"),
        ),
        (SafePrivate("ACME MR HEADER", 0x0019, 0x0C),),
    )


@pytest.mark.parametrize(
    "text", ["no toml", "[[pixels]]\nmodality = 'US'", "[[pixels]]\nregions = []\nmodel_name = 'x'", "[[other]]\na = 1"]
)
def test_what_is_no_file_of_rules_is_refused(tmp_path: Path, text: str) -> None:
    """A word that means nothing is refused, as it was meant to blank something."""
    file = tmp_path / "rules.toml"
    file.write_text(text)
    with pytest.raises(HealixError, match="is no file of rules"):
        rules_of(file)
    with pytest.raises(HealixError, match="cannot be read"):
        rules_of(tmp_path / "missing.toml")


def test_a_command_that_refuses_its_arguments_says_so_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where no database was opened yet."""
    file = tmp_path / "missing.toml"
    monkeypatch.setattr("sys.argv", ["healix", "research", "create", "trial", "--rules", str(file)])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert (ended.value.code, told.out, told.err) == (1, "", f"healix: {file} cannot be read\n")
