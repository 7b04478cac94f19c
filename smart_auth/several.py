"""Of which types resources are, or were, in the compartments of several patients: of most there never was one.

The table `several_compartments` has them. The statement that writes the first such resource of a type puts it in, in
the same transaction, and announces it; it never goes away again. The access predicate looks for further patients of
these types only. A process that has not heard yet shows less than it could to the further patients, never more; one
that writes such a resource knows at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock


def note(types: Iterable[str]) -> None:
    """Remember that this process writes resources of several patients, of these types.

    Before the transaction has committed, or though it never does: to look for further patients is never wrong.
    """
    global _written
    if not _written.issuperset(types):
        with _adding:
            _written = _written.union(types)


def written() -> frozenset[str]:
    """The types of which this process has written such resources."""
    return _written


def forget() -> None:
    """Drop what this process knows: another database has other resources."""
    global _written
    with _adding:
        _written = frozenset()


_adding = Lock()
_written: frozenset[str] = frozenset()
