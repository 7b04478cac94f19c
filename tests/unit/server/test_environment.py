"""Settings handed to child processes through their environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from healix_fhir.kernel.settings import Settings, load
from healix_fhir.server.processes import environment


def test_settings_survive_the_environment() -> None:
    """A child process reads exactly the settings that its parent has, of every type."""
    settings = Settings(
        data_dir=Path("/data"), base_url="https://fhir.example.org", port=81, subscription_allow_private=True
    )
    assert load(environ=environment(settings)) == settings
    assert load(environ=environment(Settings(data_dir=Path("/data")))) == Settings(data_dir=Path("/data"))


def test_children_read_no_secret_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a parent has read from a file its children are given, and not where it was."""
    monkeypatch.setenv("HEALIX_SMTP_URL_FILE", "/run/secrets/gone")
    given = environment(Settings(data_dir=Path("/data"), smtp_url="smtp://mail"))
    assert load(environ=given).smtp_url == "smtp://mail"
    assert "HEALIX_SMTP_URL_FILE" not in given
