"""The settings."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.settings import PREFIX, Settings, load

README = Path(__file__).parents[3] / "README.md"


def test_every_setting_is_documented() -> None:
    """The README's table names every setting."""
    text = README.read_text(encoding="utf-8")
    missing = [field.name for field in dataclasses.fields(Settings) if f"`{PREFIX}{field.name.upper()}`" not in text]
    assert not missing


def test_environment_and_overrides() -> None:
    """An option wins over the environment, which wins over the default; None is no option."""
    environ = {"HEALIX_PORT": "9000", "HEALIX_WORKERS": "3", "HEALIX_DATA_DIR": "/srv/x"}
    settings = load({"port": 9001, "host": None}, environ=environ)
    assert (settings.port, settings.workers, settings.host) == (9001, 3, "127.0.0.1")
    assert settings.data_dir == Path("/srv/x")
    assert settings.fhir_base == "http://127.0.0.1:9001/fhir"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HEALIX_PORT", "many"),
        ("HEALIX_PORT", "0"),
        ("HEALIX_DIMSE_PORT", "65536"),
        ("HEALIX_WORKERS", "0"),
        ("HEALIX_DIMSE_MAX_ASSOCIATIONS", "0"),
        ("HEALIX_DIMSE_UNKNOWN_CALLERS", "everyone"),
        ("HEALIX_LOG_LEVEL", "loud"),
        ("HEALIX_TRUSTED_PROXIES", "*"),
        ("HEALIX_TRUSTED_PROXIES", "10.0.0.0/8, proxy.example"),
        ("HEALIX_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("HEALIX_SUBSCRIPTION_ALLOW_PRIVATE", "yes please"),
        ("HEALIX_ALERT_QUIET", "22:00"),
        ("HEALIX_ALERT_QUIET", "22:00-24:00"),
        ("HEALIX_ALERT_QUIET", "07:00-07:00"),
        ("HEALIX_DATABASE_REPLICA_URL", "postgresql://of-no-primary"),
    ],
)
def test_bad_values_are_refused_by_name(name: str, value: str) -> None:
    """A value that cannot be is refused with a line that names its variable."""
    with pytest.raises(HealixError, match=name):
        load(environ={name: value})


@pytest.mark.parametrize(
    ("name", "meant"),
    [("HEALIX_PROT", "HEALIX_PORT"), ("HEALIX_DATABASE", "HEALIX_DATABASE_URL"), ("HEALIX_FLUX_CAPACITOR", None)],
)
def test_a_name_that_is_no_setting_is_refused(name: str, meant: str | None) -> None:
    """A variable that is no setting is refused by name, with the one that is meant where there is one like it."""
    with pytest.raises(HealixError) as refused:
        load(environ={name: "1"})
    assert refused.value.message == f"{name} is no setting" + (f"; {meant} is meant?" if meant else "")


def test_variables_of_others_are_left_alone() -> None:
    """Only what begins as a setting is held to be one."""
    assert load(environ={"PATH": "/bin", "HEALIX_TEST_DATA": "/x"}) == load(environ={})


def test_a_secret_in_a_file(tmp_path: Path) -> None:
    """A text is read from the file that `…_FILE` names, without the end of its line; the variable itself goes first."""
    file = tmp_path / "secret"
    file.write_text("postgresql://x\n", encoding="utf-8")
    environ = {"HEALIX_DATABASE_URL_FILE": str(file)}
    assert load(environ=environ).database_url == "postgresql://x"
    assert load(environ=environ | {"HEALIX_DATABASE_URL": "postgresql://y"}).database_url == "postgresql://y"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("HEALIX_DATABASE_URL_FILE", "HEALIX_DATABASE_URL_FILE names a file that cannot be read: /nowhere"),
        ("HEALIX_PORT_FILE", "HEALIX_PORT_FILE is no setting"),
    ],
)
def test_files_that_cannot_be(name: str, message: str) -> None:
    """A file that is not there is refused, and one for a setting that is no text."""
    with pytest.raises(HealixError, match=message):
        load(environ={name: "/nowhere"})
