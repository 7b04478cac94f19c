"""The expression tree of a search: what must hold of a resource, without a word of SQL.

`search/query` builds it from parameters, `search/plan` chooses where to start, `search/lower` turns nodes into SQL.
Whatever brings a resource alias into SQL puts a `Visible` node beside it: the access predicate is part of the tree.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import TypeAlias

from healix_fhir.search.circle import Circle
from healix_fhir.terminology.membership import Members
from healix_fhir.terminology.sets import Set
from smart_auth.scope import Permission


class Prefix(StrEnum):
    """How a date is compared. Spec: FHIR R4, hl7.org/fhir/R4/search.html#prefix"""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    LT = "lt"
    GE = "ge"
    LE = "le"
    SA = "sa"
    EB = "eb"
    AP = "ap"


class StringMatch(Enum):
    """How a string is compared. Spec: FHIR R4, hl7.org/fhir/R4/search.html#string"""

    PREFIX = "starts with, folded"
    CONTAINS = "contains, folded"
    EXACT = "equals"
    WHOLE = "equals, folded"
    SUFFIX = "ends with, folded"


class Stored(Enum):
    """The narrow tables that hold one row per value of a parameter."""

    STRING = "index_string"
    DATE = "index_date"
    REFERENCE = "index_reference"
    QUANTITY = "index_quantity"
    POSITION = "index_position"
    WORDS = "index_words"


class Corpus(Enum):
    """What full text looks through, by the column of its words."""

    NARRATIVE = "narrative"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class And:
    """Every one of `nodes` holds; of none, everything holds."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of `nodes` holds; of none, nothing holds."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`node` does not hold, also where the resource has no value at all."""

    node: Node


@dataclass(frozen=True, slots=True)
class Token:
    """The resource has a token or uri whose hash is `key` (search/tokens).

    `hot` tells that the same stands in `index_token` under `h` and, unless `any_system`, with `system`. The lower
    `frequency`, the fewer resources share one token of the parameter.
    """

    key: int
    hot: bool = False
    h: int = 0
    system: int | None = None
    any_system: bool = True
    frequency: int = 0


@dataclass(frozen=True, slots=True)
class Coded:
    """The parameter has a code that is one of `members`.

    These are a value set by its canonical or address, or a set, until `search/terms` has looked up what they need.
    `asked` is the parameter with its modifier; `hot` and `frequency` are those of a Token. `inside` tells that the
    resource is contained, `codes` is the list of those members that stand anywhere (see search/drive), if there is one.
    """

    param: int
    asked: str
    members: str | Set | Members
    hot: bool = False
    frequency: int = 0
    inside: bool = False
    codes: str = ""


@dataclass(frozen=True, slots=True)
class TokenText:
    """A text beside a code of the parameter starts with `folded` (see search/strings)."""

    param: int
    folded: str


@dataclass(frozen=True, slots=True)
class String:
    """The parameter has a string that matches: `folded` by search/strings.fold, `text` as asked."""

    param: int
    match: StringMatch
    folded: str
    text: str


@dataclass(frozen=True, slots=True)
class Date:
    """The parameter has an interval that compares by `prefix` with [lo, hi); None is an open end.

    `main` tells that it is the type's main clinical date, which every row carries as `d` and `d_hi`.
    """

    param: int
    prefix: Prefix
    lo: datetime | None
    hi: datetime | None
    main: bool = False


@dataclass(frozen=True, slots=True)
class Quantity:
    """The parameter has a number or quantity that compares by `prefix` with [lo, hi) (see search/precision).

    `h` is the key of the parameter or, if `coded`, of a composite and its code. With `unit` the numbers are of that
    common unit, without as they are written; `name` is the key that the unit has as its code or its text. `system` is
    the system of a composite's code where `any_system` is false; None for none.
    """

    h: int
    prefix: Prefix
    lo: Decimal
    hi: Decimal
    unit: int | None = None
    name: int | None = None
    coded: bool = False
    system: int | None = None
    any_system: bool = True


Comparison: TypeAlias = tuple[Prefix, Decimal, Decimal]
"""A prefix with the low and the high end of what is asked for."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A composite of two numbers of one element, kept under the key `h`: both compare as `first` and `second` say."""

    h: int
    first: Comparison
    second: Comparison


@dataclass(frozen=True, slots=True)
class Near:
    """The parameter has a position in the circle."""

    param: int
    circle: Circle


@dataclass(frozen=True, slots=True)
class Words:
    """The words of the corpus fulfil `query` (search/text_query); without one, there are any."""

    corpus: Corpus
    query: str | None = None


@dataclass(frozen=True, slots=True)
class LastUpdated:
    """`meta.lastUpdated` compares by `prefix` with [lo, hi)."""

    prefix: Prefix
    lo: datetime | None
    hi: datetime | None


@dataclass(frozen=True, slots=True)
class Reference:
    """The parameter refers to `target`: a logical id of the type `target_type`, or a whole URL where that is None.

    `patient` tells that the parameter puts the resource into the compartment of the patient it refers to.
    """

    param: int
    target_type: int | None
    target: str
    patient: bool = False


@dataclass(frozen=True, slots=True)
class Versions:
    """The parameter refers to the canonical `url` in the version `version` or one below it: `1` and `1.2` of `1`."""

    param: int
    url: str
    version: str


@dataclass(frozen=True, slots=True)
class EachRow:
    """`reference` holds, and is looked up row by row: for rows that are few, or nearly all of which fulfil it."""

    reference: Reference


@dataclass(frozen=True, slots=True)
class Id:
    """The logical id."""

    id: str


@dataclass(frozen=True, slots=True)
class Missing:
    """The parameter, the `number`th of the resource's type, has no value at all (see search/presence)."""

    number: int


@dataclass(frozen=True, slots=True)
class Visible:
    """The access predicate: the caller may see the resource, of `type_name`, by one of `permissions`."""

    type_name: str
    permissions: tuple[Permission, ...]


@dataclass(frozen=True, slots=True)
class Linked:
    """By the reference `param`, the resource points to one that is visible and of which `node` holds.

    `url` is the parameter of the target's canonical URL where the reference names that, None where it names an id.
    """

    param: int
    target: Visible
    node: Node
    url: int | None = None


@dataclass(frozen=True, slots=True)
class LinkedTo:
    """`linked` holds, and the list `ends` has what lies at its end, unless that was cut off (see search/drive)."""

    linked: Linked
    ends: str


@dataclass(frozen=True, slots=True)
class Referring:
    """A visible resource `source` of which `node` holds points by the reference `param` to this one, of `own_type`.

    `url` is the parameter of this resource's canonical URL where the reference names that, None where it names its id.
    """

    param: int
    source: Visible
    node: Node
    own_type: int
    url: int | None = None


@dataclass(frozen=True, slots=True)
class Containing:
    """The resource contains one of `types` of which all `nodes` hold; these are conditions inside (search/inside)."""

    types: tuple[int, ...]
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class OfType:
    """The resource is of one of `types`."""

    types: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class InPatient:
    """The resource is in the compartment of the patient with this logical id."""

    patient: str


Structure: TypeAlias = (
    And | Or | Not | EachRow | Visible | Linked | LinkedTo | Referring | Containing | OfType | InPatient
)
Value: TypeAlias = (
    Token
    | Coded
    | TokenText
    | String
    | Date
    | Quantity
    | Pair
    | Near
    | Words
    | LastUpdated
    | Reference
    | Versions
    | Id
    | Missing
)
Node: TypeAlias = Structure | Value
