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
    ],
)
def test_bad_values_are_refused_by_name(name: str, value: str) -> None:
    """A value that cannot be is refused with a line that names its variable."""
    with pytest.raises(HealixError, match=name):
        load(environ={name: value})
