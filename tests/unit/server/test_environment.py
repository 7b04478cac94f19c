"""Settings handed to child processes through their environment."""

from __future__ import annotations

from pathlib import Path

from healix_fhir.kernel.settings import Settings, load
from healix_fhir.server.processes import environment


def test_settings_survive_the_environment() -> None:
    """A child process reads exactly the settings that its parent has, of every type."""
    settings = Settings(
        data_dir=Path("/data"), base_url="https://fhir.example.org", port=81, subscription_allow_private=True
    )
    assert load(environ=environment(settings)) == settings
    assert load(environ=environment(Settings(data_dir=Path("/data")))) == Settings(data_dir=Path("/data"))
