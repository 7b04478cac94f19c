"""No data comes out without a row: each attack's request, by somebody who may see what it names."""

from __future__ import annotations

import httpx
import pytest

from healix_fhir.model.json import encode
from tests.support.attacks.names import filled
from tests.support.attacks.scene import FHIR, Scene
from tests.support.attacks.table import ATTACKS


@pytest.mark.spec("IHE BALP 1.1.3")
def test_every_answer_leaves_a_row(scene: Scene) -> None:
    """Each request that is answered with success is in the trail, under the number that its answer has."""
    silent = []
    for attack in ATTACKS:
        _, present = scene.targets(changes=attack.changes)
        content = filled(attack.body, present)
        if content is not None and not isinstance(content, bytes):
            content = encode(content) if not isinstance(content, str) else content.encode()
        headers = {**(FHIR if content is not None else {}), **filled(attack.headers, present)}
        answer = scene.everything.request(attack.method, filled(attack.path, present), content=content, headers=headers)
        if _succeeded(answer) and not _rows(scene, answer.headers["x-request-id"]):
            silent.append(f"{answer.status_code} {attack}")
    assert silent == []


def _succeeded(answer: httpx.Response) -> bool:
    """Whether something was answered with success: of a bundle, one entry at least."""
    if not answer.is_success or "-response" not in answer.text[:100]:
        return answer.is_success
    return any(entry["response"]["status"].startswith("2") for entry in answer.json()["entry"])


def _rows(scene: Scene, request: str) -> int:
    return int(scene.look.execute("SELECT count(*) FROM audit_event WHERE request = %s", (request,)).fetchall()[0][0])
