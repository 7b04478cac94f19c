"""Bindings to value sets of code systems that are loaded: terminology answers what definitions cannot."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.database import one
from healix_fhir.model.json import encode
from healix_fhir.terminology.catalog import LOADED
from healix_fhir.terminology.fill import Origin, fill
from healix_fhir.terminology.resource import contents
from healix_fhir.terminology.rows import placed
from tests.support.fhir_server import SYSTEM, Pool, do, put, rows, serve, with_scope
from tests.support.profiles import COLOURS, EXAMPLE, SHADES, URL, Json, profile
from tests.support.query_recorder import query_recorder
from tests.support.resources import patient

from .test_profiles import Issues, asked, install, issues, refused, reviewing

REDS = f"{EXAMPLE}/reds"
CHOSEN: Json = {
    "resourceType": "ValueSet", "url": REDS, "status": "active",
    "compose": {
        "include": [{"system": COLOURS, "filter": [{"property": "concept", "op": "is-a", "value": "red"}]}]
    },
}  # fmt: skip
BOUND = profile("Patient", {"id": "Patient.maritalStatus", "binding": {"strength": "required", "valueSet": REDS}})
PLACE = "Patient.maritalStatus"


def load(pool: Pool) -> None:
    """Put the colours into the tables, as the command that loads code systems does."""
    do(pool, lambda: one(fill(placed(contents(SHADES)), Origin(LOADED, "x"))))


def judged(told: Issues) -> list[str]:
    """The severities of what the profile's binding has found; R4's own is extensible, and warns."""
    return [severity for severity, _, place in told if place == PLACE and severity != "warning"]


def dyed(*colours: str) -> Json:
    """A Patient with colours as marital status."""
    return patient(maritalStatus={"coding": [{"system": COLOURS, "code": colour} for colour in colours]})


@pytest.mark.spec("FHIR R4 terminologies.html#binding")
def test_a_loaded_code_system_answers(pool: Pool, database_url: str) -> None:
    """Until it is loaded the binding cannot be checked, and that is said; from then on it decides."""
    install(pool, BOUND, CHOSEN)

    async def use(server: Interactions) -> list[list[str]]:
        found = []
        for colours in (("crimson",), ("blue",), ("blue", "scarlet")):
            told = await issues(server, SYSTEM, asked(dyed(*colours), URL))
            found.append(judged(told))
        return found

    assert serve(database_url, use) == [["information"], ["information"], ["information"]]
    load(pool)
    assert serve(database_url, use) == [[], ["error"], []]


def test_a_running_server_heeds_what_is_loaded(pool: Pool, database_url: str) -> None:
    """A code system that is loaded later counts at once, and an answer is asked for once."""
    install(pool, BOUND, CHOSEN)

    async def use(server: Interactions) -> list[int]:
        call = asked(dyed("blue"), URL)
        before = judged(await issues(server, SYSTEM, call))
        load(pool)
        after = await issues(server, SYSTEM, call)
        assert (before, judged(after)) == (["information"], ["error"])
        counts = []
        for colour in ("blue", "red", "red"):
            with query_recorder() as recorded:
                await issues(server, SYSTEM, asked(dyed(colour), URL))
            counts.append(len(recorded))
        return counts

    known, new, again = serve(database_url, use)
    assert (known, new > again) == (again, True)


def test_what_is_demanded_of_writes(pool: Pool, database_url: str) -> None:
    """A profile that the operator demands refuses a code outside its value set, in a transaction too."""
    install(pool, BOUND, CHOSEN)
    load(pool)
    setting = f"Patient={URL}"
    reviewing(database_url, setting, lambda server: server.create(SYSTEM, "Patient", encode(dyed("crimson"))))
    wrong: Any = encode(dyed("blue"))
    found = refused(database_url, setting, lambda server: server.create(SYSTEM, "Patient", wrong))
    assert found[0] == ("code-invalid", PLACE)
    assert rows(pool, "SELECT count(*) FROM resource") == [(1,)]


def test_nothing_hidden_answers(pool: Pool, database_url: str) -> None:
    """Who may not read ValueSets is not told by a written one, nor who may not read code systems."""
    install(pool, BOUND)
    load(pool)
    put(pool, CHOSEN, "v")

    async def use(server: Interactions) -> list[list[str]]:
        found = []
        for access in (SYSTEM, with_scope("system/Patient.cruds")):
            told = await issues(server, access, asked(dyed("blue"), URL))
            found.append(judged(told))
        return found

    assert serve(database_url, use) == [["error"], ["information"]]
