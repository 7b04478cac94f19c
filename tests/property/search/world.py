"""A small world of resources that refer to each other, and searches that chain, reverse and filter others."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.property.search import referring
from tests.property.search.coded import coded_observation, coded_person, coded_question, known_texts
from tests.property.search.dated import Dates
from tests.property.search.missing import missing_question
from tests.property.search.names import name_question, names
from tests.property.search.pointers import IDS, Named, named, reference
from tests.property.search.question import Json, Question, at

THERE, NOT_THERE = IDS[1:], IDS[0]
"""Ids of people and visits; what refers to the last refers to nothing."""
STEPS = {
    "Observation": (
        ("subject:Patient", "subject", "Patient"),
        ("patient", "subject", "Patient"),
        ("performer:Patient", "performer", "Patient"),
        ("encounter", "encounter", "Encounter"),
    ),
    "Encounter": (("subject:Patient", "subject", "Patient"), ("patient", "subject", "Patient")),
}
"""By type: how a reference is named in a chain, its element, and what it leads to."""
BACK = {
    "Patient": (
        ("Observation:subject", "subject"),
        ("Observation:patient", "subject"),
        ("Observation:performer", "performer"),
        ("Encounter:patient", "subject"),
    ),
    "Encounter": (("Observation:encounter", "encounter"),),
}
"""By type: what refers to it, by which parameter, and that one's element."""
COMPARTMENT = {"Observation": ("subject", "performer"), "Encounter": ("subject",)}
"""What puts a resource into a patient's compartment.

Spec: FHIR R4, hl7.org/fhir/R4/compartmentdefinition-patient.html
"""


class World:
    """Two people, two visits, ten observations, and a list of some of these."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._dates = Dates(random)
        self._words = list[str]()
        made = [self._make(type_name, id_) for type_name in ("Patient", "Encounter") for id_ in THERE]
        made += [self._make("Observation", f"o{n}") for n in range(10)]
        listed = random.sample(made, 6)
        self._listed = [(one["resourceType"], one["id"]) for one in listed]
        entries = [{"item": {"reference": "/".join(one)}} for one in self._listed]
        self.resources = [*made, {"resourceType": "List", "id": "l", "entry": entries}]
        self._texts, self._displays = known_texts(made[4:]), referring.known_texts(made[4:])

    def _make(self, type_name: str, id_: str) -> Json:
        resource: Json = {"resourceType": type_name, "id": id_}
        match type_name:
            case "Patient":
                return resource | coded_person(self._random) | names(self._random, self._words)
            case "Encounter":
                about = {"status": "finished", "class": {"code": "AMB"}, "subject": self._refer("Patient")}
                return resource | about | self._dates.elements(type_name)
            case _:
                who = referring.references(self._random) | {"encounter": self._refer("Encounter")}
                return resource | coded_observation(self._random) | self._dates.elements(type_name) | who

    def _refer(self, type_name: str) -> Json:
        return reference(self._random, (type_name,))

    def question(self, type_name: str, depth: int = 3) -> Question:
        """A search of a type, by what its resources say or by what they are linked with."""
        linked = [kind for kind, types in (("chain", STEPS), ("back", BACK)) if depth and type_name in types]
        match self._random.choice(["plain", "plain", "id", *linked]):
            case "chain":
                return self._chain(type_name, depth - 1)
            case "back":
                return self._back(type_name, depth - 1)
            case "id":
                return self._by_id(type_name)
            case _:
                return self._plain(type_name)

    def _plain(self, type_name: str) -> Question:
        if self._random.random() < 0.15:
            return missing_question(self._random, type_name)
        makers: dict[str, tuple[Callable[[], Question], ...]] = {
            "Patient": (self._coded, lambda: name_question(self._random, self._words)),
            "Encounter": (lambda: self._dates.question("Encounter"),),
            "Observation": (
                self._coded,
                lambda: self._dates.question("Observation"),
                lambda: referring.referring_question(self._random, self._displays),
            ),
        }
        found = self._random.choice(makers[type_name])()
        return found if found.type_name == type_name else self._plain(type_name)

    def _coded(self) -> Question:
        return coded_question(self._random, self._texts)

    def _by_id(self, type_name: str) -> Question:
        """A search for ids, or for the items of the list."""
        if self._random.random() < 0.3:
            return Question(type_name, "_list", "l", lambda r: (r["resourceType"], r["id"]) in self._listed)
        wanted = self._random.sample([*IDS, "o1", "o2", "o3"], 3)
        return Question(type_name, "_id", ",".join(wanted), lambda r: r["id"] in wanted)

    def _chain(self, type_name: str, depth: int) -> Question:
        """A search for what refers to something of which another search holds.

        Spec: FHIR R4, hl7.org/fhir/R4/search.html#chaining
        """
        step, element, target = self._random.choice(STEPS[type_name])
        inner = self.question(target, depth)
        links = _links(element)

        def holds(resource: Json) -> bool:
            return any(inner.holds(there) for there in self._of(target) if (target, there["id"]) in links(resource))

        test = f"{step}.{inner.test}" if inner.test else ""
        return Question(type_name, f"{step}.{inner.name}", inner.value, holds, test)

    def _back(self, type_name: str, depth: int) -> Question:
        """A search for what is referred to by something of which another search holds.

        Spec: FHIR R4, hl7.org/fhir/R4/search.html#has
        """
        source, element = self._random.choice(BACK[type_name])
        inner = self.question(source.partition(":")[0], depth)
        links = _links(element)

        def holds(resource: Json) -> bool:
            here = (type_name, resource["id"])
            return any(inner.holds(one) and here in links(one) for one in self._of(inner.type_name))

        return Question(type_name, f"_has:{source}:{inner.name}", inner.value, holds)

    def filtered(self, type_name: str) -> Question:
        """A search by `_filter` of what others ask for: one, both, what is not so, from left to right.

        Spec: FHIR R4, hl7.org/fhir/R4/search_filter.html
        """
        one, other, third = (self._with_test(type_name) for _ in range(3))
        forms = {
            one.test: one.holds,
            f"{one.test} and {other.test}": lambda r: one.holds(r) and other.holds(r),
            f"{one.test} or {other.test}": lambda r: one.holds(r) or other.holds(r),
            f"{one.test} or {other.test} and {third.test}": lambda r: (
                (one.holds(r) or other.holds(r)) and third.holds(r)
            ),
            f"not ({one.test}) and ({other.test})": lambda r: not one.holds(r) and other.holds(r),
            f"not ({one.test} or {other.test})": lambda r: not (one.holds(r) or other.holds(r)),
        }
        text = self._random.choice(list(forms))
        return Question(type_name, "_filter", text, forms[text])

    def _with_test(self, type_name: str) -> Question:
        while not (found := self.question(type_name)).test:
            pass
        return found

    def compartment(self, type_name: str) -> tuple[str, Question]:
        """The address of a type within a patient's compartment, and what is in there."""
        id_ = self._random.choice(IDS)
        inside = [_links(element) for element in COMPARTMENT[type_name]]
        return f"Patient/{id_}/{type_name}", Question(
            type_name, "", "", lambda r: any(("Patient", id_) in links(r) for links in inside)
        )

    def _of(self, type_name: str) -> list[Json]:
        return [one for one in self.resources if one["resourceType"] == type_name]


def _links(element: str) -> Callable[[Json], list[Named | None]]:
    """What an element refers to."""
    return lambda resource: [named(one) for one in at(resource, element)]
