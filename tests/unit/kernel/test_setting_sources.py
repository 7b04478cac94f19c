"""Where settings came from, and what of them administrators see."""

from __future__ import annotations

from pathlib import Path

from healix_fhir.kernel.setting_sources import Source, sources
from healix_fhir.kernel.settings import Settings, load
from healix_fhir.pages.admin.settings import HIDDEN, documented, lines, shown


def test_each_setting_names_its_source() -> None:
    """Environment before file before default; an option of the command is above all."""
    environ, file = {"HEALIX_WORKERS": "03", "HEALIX_BASE_URL": ""}, {"HEALIX_WORKERS": "4", "HEALIX_TENANT": "t"}
    settings = load({"port": 9001}, environ=file | {"HEALIX_WORKERS": "03"})
    told = sources(settings, environ=environ, file=file)
    assert {name: one for name, one in told.items() if one is not Source.DEFAULT} == {
        "workers": Source.ENVIRONMENT,
        "tenant": Source.FILE,
        "port": Source.OPTION,
    }
    told = sources(Settings(data_dir=Path("/srv/x"), database_url="postgresql://x"), environ={}, file={})
    assert (told["data_dir"], told["database_url"]) == (Source.OPTION, Source.SERVER)


def test_a_secret_in_a_file_is_from_where_the_file_is_named(tmp_path: Path) -> None:
    """What `…_FILE` leads to came from the variable, not from an option."""
    (tmp_path / "url").write_text("postgresql://x", encoding="utf-8")
    environ = {"HEALIX_DATABASE_URL_FILE": str(tmp_path / "url")}
    assert sources(load(environ=environ), environ=environ, file={})["database_url"] is Source.ENVIRONMENT


def test_secrets_are_not_shown() -> None:
    """No password or key of any setting is in what administrators see; every setting is, with what it is about."""
    settings = Settings(
        blob_secret_key="s3cret",
        blob_access_key="s3cret",
        smtp_url="smtp://u:s3cret@mail.example.org",
        sms_url="https://sms.example.org/?key=s3cret",
        database_url="postgresql://healix:s3cret@db.example.org/healix?sslpassword=s3cret&user=healix",
        cds_url="https://u:s3cret@cds.example.org/x",
    )
    found = lines(settings, sources(settings, environ={}, file={}))
    assert not [one for one in found if "s3cret" in one.value]
    by_name = {one.name: one for one in found}
    assert by_name["HEALIX_SMTP_URL"].value == by_name["HEALIX_BLOB_SECRET_KEY"].value == HIDDEN
    assert by_name["HEALIX_DATABASE_URL"].value.startswith("postgresql://…@db.example.org/healix")
    assert by_name["HEALIX_PORT"].about == "HTTP port."
    assert set(documented()) == set(Settings.__dataclass_fields__)
    assert shown("cds_url", "https://me:s3c@ret@cds.example.org/a@b") == "https://…@cds.example.org/a@b"
    assert shown("database_url", "host=db password='s3 cret\\' s3cret' user=x") == "host=db password=… user=x"
