"""No attack by any caller tells the hidden from the missing."""

from __future__ import annotations

import pytest

from tests.support.attacks.attack import Attack, findings
from tests.support.attacks.scene import Scene
from tests.support.attacks.table import ATTACKS


@pytest.mark.parametrize(("attack", "caller"), [(one, caller) for one in ATTACKS for caller in one.callers], ids=str)
@pytest.mark.spec("FHIR R4 security.html#access-control")
def test_what_is_hidden_answers_like_what_is_missing(scene: Scene, attack: Attack, caller: str) -> None:
    """Status, headers, body and number of statements are equal, no byte of a canary comes out, nothing is changed."""
    assert findings(scene, scene.callers[caller], attack) == []
