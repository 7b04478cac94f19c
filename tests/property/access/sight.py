"""What a token sees of a world, and conditions that look along references within that, naively."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.property.access.world import Json, Token, World, references


def name(resource: Json) -> str:
    """`Type/id`."""
    return f"{resource['resourceType']}/{resource['id']}"


@dataclass(frozen=True)
class Sight:
    """A world as far as a token may search it: everything else is as good as not there."""

    world: World
    token: Token

    def of(self, type_name: str) -> list[Json]:
        """The visible resources of a type."""
        return [
            one
            for one in self.world.resources
            if one["resourceType"] == type_name and self.world.sees(self.token, one, "s")
        ]


Match = Callable[[Json, Sight], bool]


def forward(path: str, type_name: str, inner: Match) -> Match:
    """A reference at `path` leads to a visible resource of the type, of which `inner` holds."""

    def match(resource: Json, sight: Sight) -> bool:
        targets = references(resource, path)
        return any(name(one) in targets and inner(one, sight) for one in sight.of(type_name))

    return match


def back(type_name: str, path: str, inner: Match) -> Match:
    """A visible resource of the type, of which `inner` holds, refers by `path` to this one."""

    def match(resource: Json, sight: Sight) -> bool:
        return any(name(resource) in references(one, path) and inner(one, sight) for one in sight.of(type_name))

    return match
