"""The black-box checks of SMART: met by this server, and each of them failing on a server with a flaw."""

from __future__ import annotations

import json
import re

import pytest

from conformance.check import Check, Failed
from conformance.smart import parties
from conformance.smart.browser import Browser
from conformance.smart.capabilities import SHOWN
from conformance.smart.checks import CHECKS
from conformance.smart.prepare import parties as prepared
from conformance.smart.scene import Scene
from conformance.target import Target, over_http
from tests.conformance.smart_flaws import FAMILIES, FLAWS
from tests.support.flaws import Flaw
from tests.support.serve import HEALIX, Served


@pytest.fixture(scope="module")
def scene(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A running server with demo data, and the parties of the checks."""
    file = tmp_path_factory.mktemp("smart") / "parties.json"
    file.write_text(json.dumps(prepared(served.data_dir, HEALIX)))
    return Scene(Target(served.url, served.token("system/*.cruds")), parties.read(file))


def name(check: Check[Scene]) -> str:
    """A check's name in the report."""
    return f"{check.clause}-{check.requirement[:60]}"


@pytest.mark.parametrize("check", CHECKS, ids=name)
def test_requirement_is_met(scene: Scene, check: Check[Scene]) -> None:
    """The server meets the requirement of the clause."""
    check.run(scene)


@pytest.mark.parametrize("check", CHECKS, ids=name)
def test_flaw_is_seen(scene: Scene, check: Check[Scene]) -> None:
    """The check fails on a server with the flaw that it looks for."""
    flawed = Scene(Target(scene.target.base, scene.target.token, flaw_of(check)(over_http)), scene.parties)
    for person in (scene.parties.patient, scene.parties.practitioner):
        flawed.browsers[person.username] = Browser(flawed.target, dict(scene.browser(person).cookies))
    with pytest.raises(Failed):
        check.run(flawed)


def test_requirements_are_told_apart() -> None:
    """No two checks have the same requirement, and no flaw is left without its check."""
    requirements = {check.requirement for check in CHECKS}
    assert len(requirements) == len(CHECKS)
    assert set(FLAWS) <= requirements


def test_each_capability_is_shown_by_checks_that_there_are(scene: Scene) -> None:
    """Every capability that this server claims has checks, each named as it is called; none is named in vain."""
    assert SHOWN.keys() == set(scene.smart["capabilities"])
    assert {one for several in SHOWN.values() for one in several} <= {check.requirement for check in CHECKS}


def flaw_of(check: Check[Scene]) -> Flaw:
    """The flaw that a check has to see."""
    shared = (flaw for form, flaw in FAMILIES.items() if re.fullmatch(form, check.requirement))
    return FLAWS[check.requirement] if check.requirement in FLAWS else next(shared)
