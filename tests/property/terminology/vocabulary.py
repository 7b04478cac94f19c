"""Small random code systems and value sets, and what they mean by a naive reading of the specification.

Spec: FHIR R4, hl7.org/fhir/R4/valueset.html#compositions, hl7.org/fhir/R4/valueset-filter-operator.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from typing import Any

Json = dict[str, Any]
Code = tuple[str, str]
"""A system and a code."""

CODES = ("a", "b", "ab", "Ba", "c1", "C2", "d")
COLOURS = ("red", "green", "blue")
PATTERNS = ("a", ".*b.*", "[a-c].?", "C\\d", "(a|d)+")


@dataclass(frozen=True)
class Concept:
    """A concept of a random code system; parents are codes."""

    code: str
    parents: tuple[str, ...]
    colours: tuple[str, ...]
    inactive: bool


@dataclass(frozen=True)
class System:
    """A random code system."""

    url: str
    concepts: tuple[Concept, ...]

    def resource(self, id_: str) -> Json:
        """It as a CodeSystem."""
        return {
            "resourceType": "CodeSystem", "id": id_, "url": self.url, "status": "active", "content": "complete",
            "caseSensitive": True, "version": "1",
            "property": [{"code": "colour", "type": "code"}, {"code": "parent", "type": "code"}],
            "concept": [_concept(one) for one in self.concepts],
        }  # fmt: skip

    def above(self, code: str) -> set[str]:
        """A code with everything above it."""
        known = {one.code: one for one in self.concepts}
        found, open_ = {code}, [code]
        while open_:
            more = set(known[open_.pop()].parents) - found
            found |= more
            open_ += more
        return found


def _concept(one: Concept) -> Json:
    properties = [{"code": "parent", "valueCode": parent} for parent in one.parents]
    properties += [{"code": "colour", "valueCode": colour} for colour in one.colours]
    if one.inactive:
        properties.append({"code": "inactive", "valueBoolean": True})  # type: ignore[dict-item]
    return {"code": one.code, "display": f"The {one.code}"} | ({"property": properties} if properties else {})


def make_system(random: Random, url: str) -> System:
    """Some of the codes, each below some of those before it."""
    concepts: list[Concept] = []
    for code in random.sample(CODES, random.randint(1, len(CODES))):
        parents = random.sample([one.code for one in concepts], min(len(concepts), random.choice([0, 1, 1, 2])))
        colours = random.sample(COLOURS, random.choice([0, 1, 1, 2]))
        concepts.append(Concept(code, tuple(parents), tuple(colours), random.random() < 0.2))
    return System(url, tuple(concepts))


def make_filter(random: Random, system: System) -> Json:
    """A filter of any kind."""
    op = random.choice(["=", "is-a", "descendent-of", "is-not-a", "regex", "in", "not-in", "generalizes", "exists"])
    if op in ("is-a", "descendent-of", "is-not-a", "generalizes"):
        return {"property": "concept", "op": op, "value": random.choice(CODES)}
    name = random.choice(["concept", "colour", "parent"])
    values = COLOURS if name == "colour" else CODES
    value = {
        "=": random.choice(values),
        "regex": random.choice(PATTERNS),
        "exists": random.choice(["true", "false"]),
    }.get(op, ",".join(random.sample(values, 2)))
    return {"property": name, "op": op, "value": value}


def passes(system: System, one: Concept, found: Json) -> bool:
    """Whether a concept passes a filter."""
    op, value = str(found["op"]), str(found["value"])
    known = {each.code for each in system.concepts}
    match op:
        case "is-a":
            return value in system.above(one.code)
        case "descendent-of":
            return value in system.above(one.code) - {one.code}
        case "is-not-a":
            return value not in system.above(one.code)
        case "generalizes":
            return value in known and one.code in system.above(value)
    values = {"concept": (one.code,), "colour": one.colours, "parent": one.parents}[found["property"]]
    match op:
        case "=":
            return value in values
        case "regex":
            return any(re.fullmatch(value, each) for each in values)
        case "exists":
            return bool(values) == (value == "true")
        case "in":
            return not {*value.split(",")}.isdisjoint(values)
        case _:
            return {*value.split(",")}.isdisjoint(values)


@dataclass
class World:
    """Code systems, and value sets of which each may name those before it."""

    systems: dict[str, System]
    sets: dict[str, Json]

    def members(self, url: str) -> set[Code]:
        """What a value set consists of."""
        compose = self.sets[url]["compose"]
        found = set().union(*map(self._part, compose["include"]))
        for part in compose.get("exclude", ()):
            found -= self._part(part)
        if compose.get("inactive") is False:
            found = {(system, code) for system, code in found if not self._inactive(system, code)}
        return found

    def _inactive(self, system: str, code: str) -> bool:
        return any(one.code == code and one.inactive for one in self.systems[system].concepts)

    def _part(self, part: Json) -> set[Code]:
        sets = [self.members(url) for url in part.get("valueSet", ())]
        if "system" in part:
            sets.append(self._of_system(part))
        return set.intersection(*sets)

    def _of_system(self, part: Json) -> set[Code]:
        url = part["system"]
        if "concept" in part:
            return {(url, one["code"]) for one in part["concept"]}
        system = self.systems[url]
        return {
            (url, one.code)
            for one in system.concepts
            if all(passes(system, one, each) for each in part.get("filter", ()))
        }


def make_world(random: Random, base: str) -> World:
    """Two code systems and three value sets."""
    world = World({}, {})
    for n in range(2):
        url = f"{base}/system{n}"
        world.systems[url] = make_system(random, url)
    for n in range(3):
        url = f"{base}/set{n}"
        compose: Json = {"include": [_part(random, world) for _ in range(random.randint(1, 3))]}
        if random.random() < 0.5:
            compose["exclude"] = [_part(random, world) for _ in range(random.randint(1, 2))]
        if random.random() < 0.3:
            compose["inactive"] = False
        world.sets[url] = {"resourceType": "ValueSet", "id": f"set{n}", "url": url, "status": "active"}
        world.sets[url]["compose"] = compose
    return world


def _part(random: Random, world: World) -> Json:
    part: Json = {}
    if world.sets and random.random() < 0.4:
        part["valueSet"] = random.sample([*world.sets], random.randint(1, len(world.sets)))
    if not part or random.random() < 0.5:
        system = random.choice([*world.systems.values()])
        part["system"] = system.url
        kind = random.choice(["all", "list", "filter", "filter"])
        if kind == "list":  # also codes that the system has not
            part["concept"] = [{"code": code} for code in random.sample(CODES, random.randint(1, 4))]
        elif kind == "filter":
            part["filter"] = [make_filter(random, system) for _ in range(random.randint(1, 2))]
    return part
