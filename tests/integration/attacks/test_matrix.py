"""No attack by any caller tells the hidden from the missing."""

from __future__ import annotations

import pytest

from tests.support.attacks.attack import Attack, findings, sent
from tests.support.attacks.scene import RESEARCH, Scene
from tests.support.attacks.table import ATTACKS, IMAGES, RESOURCES

ROWS = [
    *((one, caller) for one in ATTACKS for caller in one.callers),
    *((one, RESEARCH) for one in IMAGES),
]


@pytest.mark.parametrize(("attack", "caller"), ROWS, ids=str)
@pytest.mark.spec("FHIR R4 security.html#access-control")
def test_what_is_hidden_answers_like_what_is_missing(scene: Scene, attack: Attack, caller: str) -> None:
    """Status, headers, body and number of statements are equal, no byte of a canary comes out, nothing is changed."""
    assert findings(scene, scene.callers[caller], attack) == []


@pytest.mark.spec("PS3.15 E.1.1 (2026c)")
def test_a_research_token_is_refused_by_fhir(scene: Scene) -> None:
    """Whatever is asked of resources, of any shape, a research token is refused before anything is looked at."""
    absent, present = scene.targets(changes=False)
    before = scene.record(absent["patient"], present["patient"])
    client = scene.callers[RESEARCH]
    answers = {str(one): sent(scene, client, one, present) for one in RESOURCES if not one.beside}
    assert {name: one.status for name, one in answers.items() if one.status < 400 or one.canaries} == {}
    assert sum(one.status == 403 for one in answers.values()) > len(answers) * 0.9
    assert scene.record(absent["patient"], present["patient"]) == before
