"""The test of the tests: each path to rows is opened alone, and every attack notices one of these flaws."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
import pytest

from tests.support.attacks.attack import Attack, findings
from tests.support.attacks.flaws import ASIDE, FLAWS, asking, planted
from tests.support.attacks.scene import Scene, scene, seeded
from tests.support.attacks.table import ATTACKS

Noticed = Mapping[str, set[Attack]]
CALLER = "patient app"
pytestmark = pytest.mark.timeout(900)  # whichever test comes first waits for all attacks on all flaws


@pytest.fixture(scope="module")
def noticed(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Noticed:
    """The attacks that notice each flaw. Each is planted over a database of its own, since attacks then succeed."""
    directory = tmp_path_factory.mktemp("flaws")
    tokens = seeded(module_database_url, directory)
    found: dict[str, set[Attack]] = {}
    for flaw in FLAWS:
        with planted(flaw), scene(copied(module_database_url), directory, tokens) as made:
            found[flaw] = _noticing(made, flaw, set[Attack]().union(*found.values()))
    return found


def _noticing(made: Scene, flaw: str, seeing: set[Attack]) -> set[Attack]:
    """The attacks that notice a flaw; of those that are known to be `seeing`, one is asked for at most, and none where
    another notices it: these come first.
    """
    noticing: set[Attack] = set()
    for attack in sorted((attack for table in FLAWS[flaw] for attack in table()), key=lambda one: one in seeing):
        if (attack not in seeing or not noticing) and findings(made, made.callers[CALLER], attack):
            noticing.add(attack)
    return noticing


def copied(url: str) -> str:
    """A database like that at `url`."""
    root, _, options = url.rpartition("?")
    server, _, name = root.rpartition("/")
    with psycopg.connect(f"{server}/postgres?{options}", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}_flawed WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}_flawed TEMPLATE {name}")
    return f"{server}/{name}_flawed?{options}"


@pytest.mark.parametrize("flaw", FLAWS)
def test_each_flaw_is_noticed(noticed: Noticed, flaw: str) -> None:
    """A module that asks for everything lets some attack through."""
    assert noticed[flaw]


def test_each_attack_notices_a_flaw(noticed: Noticed) -> None:
    """No attack is blind; those that cannot notice say why, and do not."""
    seeing = set[Attack]().union(*noticed.values())
    assert [str(attack) for attack in ATTACKS if attack not in seeing and not attack.beside] == []
    assert [str(attack) for attack in ATTACKS if attack in seeing and attack.beside] == []


def test_each_path_to_rows_has_its_flaw() -> None:
    """A module that begins to ask for a condition on rows is named here."""
    assert asking() == {module for flaw in FLAWS for module in flaw.split()} | {*ASIDE}
