"""All attacks."""

from __future__ import annotations

from tests.support.attacks.attack import Attack
from tests.support.attacks.bundles import bundles
from tests.support.attacks.custom import custom
from tests.support.attacks.exporting import exporting
from tests.support.attacks.imaging import imaging
from tests.support.attacks.looking import looking
from tests.support.attacks.non_patient import non_patient
from tests.support.attacks.operating import operating
from tests.support.attacks.searching import searching
from tests.support.attacks.worklist import worklist
from tests.support.attacks.writing import writing

RESOURCES: tuple[Attack, ...] = (
    *looking(),
    *searching(),
    *custom(),
    *writing(),
    *bundles(),
    *operating(),
    *exporting(),
)
IMAGES: tuple[Attack, ...] = (*imaging(), *worklist(), *non_patient())
ATTACKS: tuple[Attack, ...] = (*RESOURCES, *IMAGES)
