"""The migrations are one line: whoever brings a database up to date passes through each of them once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from healix_fhir.server.migrate import SCRIPTS, head


def _script() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    return ScriptDirectory.from_config(config)


def test_migrations_are_one_line() -> None:
    """One base, one head, no two that follow the same one, and each has a higher number than the one before: the last
    file is the head.
    """
    script = _script()
    revisions = list(script.walk_revisions())
    assert (len(script.get_bases()), len(script.get_heads())) == (1, 1)
    assert [one.revision for one in revisions] == sorted((one.revision for one in revisions), reverse=True)
    assert script.get_current_head() == head()
    assert [one.revision for one in revisions if one.is_branch_point or one.is_merge_point] == []


def test_no_two_migrations_have_one_number() -> None:
    """A file begins with its own number, which no other has; Alembic warns of two, and takes one."""
    script = _script()
    numbers = Counter(path.name[:4] for path in Path(script.versions).glob("[0-9]*.py"))
    assert [number for number, times in numbers.items() if times > 1] == []
    assert {one.revision for one in script.walk_revisions()} == set(numbers)
    assert [one.path for one in script.walk_revisions() if not Path(one.path).name.startswith(one.revision)] == []
