"""The tables of resources and of their search index.

Every index row carries `pat` (the patient whose compartment it is in; see smart_auth/access.py) and, where results are
sorted, `d` (the resource's main clinical date), so that one index answers a search, its access predicate and its order.
`type` and `param` are the fixed integers of healix_fhir/model/definitions; hashes are kernel/hashing.key64.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Sequence,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

from healix_fhir.kernel.database import metadata

resource_pk = Sequence("resource_pk", metadata=metadata)

resource = Table(
    "resource",
    metadata,
    Column("pk", BigInteger, resource_pk, primary_key=True, server_default=resource_pk.next_value()),
    Column("type", SmallInteger, nullable=False),
    Column("id", Text(collation="C"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated", DateTime(timezone=True), nullable=False),
    Column("pat", BigInteger),
    Column("d", DateTime(timezone=True)),
    Column("d_hi", DateTime(timezone=True)),
    Column("deleted", Boolean, nullable=False, server_default=text("false")),
    Column("method", Text, nullable=False),  # how this version came to be: POST, PUT, PATCH or DELETE
    Column("present", LargeBinary, nullable=False, server_default=text("''")),  # which parameters have a value
    Column("toks", ARRAY(BigInteger), nullable=False, server_default=text("'{}'")),
    Column("body", LargeBinary, nullable=False),  # the exact JSON that is served; empty when deleted
    comment="the current version of each resource",
)
Index("resource_type_id", resource.c.type, resource.c.id, unique=True)
Index(
    "resource_pat_type_d",
    resource.c.pat,
    resource.c.type,
    resource.c.d,
    resource.c.pk,
    postgresql_include=["deleted"],
)
Index("resource_type_d", resource.c.type, resource.c.d, resource.c.pk, postgresql_include=["pat", "deleted"])
Index("resource_type_updated", resource.c.type, resource.c.updated, resource.c.pk)
Index("resource_toks", resource.c.toks, postgresql_using="gin")

resource_history = Table(
    "resource_history",
    metadata,
    Column("type", SmallInteger, primary_key=True),
    Column("id", Text(collation="C"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("updated", DateTime(timezone=True), nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),  # when the next version took its place
    Column("pk", BigInteger, nullable=False),  # of the resource
    Column("pat", BigInteger),
    Column("deleted", Boolean, nullable=False),
    Column("method", Text, nullable=False),  # as in resource
    Column("body", LargeBinary, nullable=False),  # zstd; empty when deleted
    comment="every earlier version of each resource; the current one is in resource",
)

Index("resource_history_type_updated", resource_history.c.type, resource_history.c.updated, resource_history.c.pk)

index_contained = Table(
    "index_contained",
    metadata,
    Column("pk", BigInteger, primary_key=True),  # from resource_pk, drawn anew with each version of the container
    Column("container", BigInteger, nullable=False),
    Column("type", SmallInteger, nullable=False),
    Column("id", Text(collation="C"), nullable=False),  # within the container
    Column("pat", BigInteger),  # of the container
    Column("d", DateTime(timezone=True)),
    Column("d_hi", DateTime(timezone=True)),
    Column("present", LargeBinary, nullable=False),
    Column("toks", ARRAY(BigInteger), nullable=False),
    Column("body", LargeBinary, nullable=False),
    comment="the resources that current versions contain, for searches with _contained",
)
Index("index_contained_container", index_contained.c.container)
Index("index_contained_type", index_contained.c.type, index_contained.c.pk)
Index("index_contained_toks", index_contained.c.toks, postgresql_using="gin")

compartment = Table(
    "compartment",
    metadata,
    Column("pat", BigInteger, primary_key=True),
    Column("pk", BigInteger, primary_key=True),
    comment="the second and further patients of resources that are in several patient compartments",
)
Index("compartment_pk", compartment.c.pk)

index_token = Table(
    "index_token",
    metadata,
    Column("h", BigInteger, nullable=False),  # hash of parameter and code
    Column("sys", BigInteger),  # hash of the system; null when there is none
    Column("pat", BigInteger),
    Column("d", DateTime(timezone=True)),
    Column("d_hi", DateTime(timezone=True)),  # so that ge and gt need no look at the resource
    Column("pk", BigInteger, nullable=False),
    comment="hot tokens; every token is also in resource.toks",
)
Index(
    "index_token_h_pat_d",
    index_token.c.h,
    index_token.c.pat,
    index_token.c.d,
    index_token.c.pk,
    postgresql_include=["sys", "d_hi"],
)
Index("index_token_h_d", index_token.c.h, index_token.c.d, index_token.c.pk, postgresql_include=["sys", "d_hi", "pat"])
Index("index_token_pk", index_token.c.pk)

index_string = Table(
    "index_string",
    metadata,
    Column("param", Integer, nullable=False),
    Column("folded", Text(collation="C"), nullable=False),  # without accents and case
    Column("exact", Text(collation="C"), nullable=False),
    Column("grams", ARRAY(Integer), nullable=False, server_default=text("'{}'")),  # see search/grams
    Column("pat", BigInteger),
    Column("pk", BigInteger, nullable=False),
)
Index("index_string_folded", index_string.c.param, index_string.c.folded, index_string.c.pk)
Index("index_string_grams", index_string.c.grams, postgresql_using="gin")
Index("index_string_pk", index_string.c.pk)

index_date = Table(
    "index_date",
    metadata,
    Column("param", Integer, nullable=False),
    Column("lo", DateTime(timezone=True), nullable=False),  # first instant; -infinity where open
    Column("hi", DateTime(timezone=True), nullable=False),  # first instant after; infinity where open
    Column("pat", BigInteger),
    Column("pk", BigInteger, nullable=False),
)
Index("index_date_lo", index_date.c.param, index_date.c.lo, index_date.c.pk)
Index("index_date_hi", index_date.c.param, index_date.c.hi, index_date.c.pk)
Index("index_date_pk", index_date.c.pk)

index_reference = Table(
    "index_reference",
    metadata,
    Column("param", Integer, nullable=False),
    Column("target_type", SmallInteger),  # null for a URL that is not on this server
    Column("target", Text(collation="C"), nullable=False),  # logical id, or the whole URL or identifier
    Column("pat", BigInteger),
    Column("d", DateTime(timezone=True)),
    Column("pk", BigInteger, nullable=False),
)
Index(
    "index_reference_target",
    index_reference.c.param,
    index_reference.c.target,
    index_reference.c.target_type,
    index_reference.c.d,
    index_reference.c.pk,
    postgresql_include=["pat"],
)
Index("index_reference_pk", index_reference.c.pk, index_reference.c.param)

index_quantity = Table(
    "index_quantity",
    metadata,
    Column("h", BigInteger, nullable=False),  # hash of the parameter; of a composite, of parameter and code
    Column("sys", BigInteger),  # of a composite: hash of the code's system
    Column("lo", Numeric, nullable=False),  # both ends belong to the value
    Column("hi", Numeric),  # null where it equals lo
    Column("unit", BigInteger),  # hash of the common unit of `base_lo` and `base_hi`; null for a number
    Column("base_lo", Numeric),
    Column("base_hi", Numeric),
    Column("code", BigInteger),  # hash of the unit's code, whatever its system
    Column("label", BigInteger),  # hash of the unit's text where it is not the code
    Column("pat", BigInteger),
    Column("pk", BigInteger, nullable=False),
    comment="numbers and quantities, as they are written and in base units",
)
Index("index_quantity_lo", index_quantity.c.h, index_quantity.c.lo, index_quantity.c.pk)
Index(
    "index_quantity_hi",
    index_quantity.c.h,
    index_quantity.c.hi,
    index_quantity.c.pk,
    postgresql_where=index_quantity.c.hi.is_not(None),
)
Index(
    "index_quantity_base_lo",
    index_quantity.c.h,
    index_quantity.c.unit,
    index_quantity.c.base_lo,
    index_quantity.c.pk,
    postgresql_where=index_quantity.c.unit.is_not(None),
)
Index(
    "index_quantity_base_hi",
    index_quantity.c.h,
    index_quantity.c.unit,
    index_quantity.c.base_hi,
    index_quantity.c.pk,
    postgresql_where=index_quantity.c.base_hi.is_not(None),
)
Index("index_quantity_pk", index_quantity.c.pk)

index_text = Table(
    "index_text",
    metadata,
    Column("param", Integer, primary_key=True),
    Column("folded", Text(collation="C"), primary_key=True),  # without accents and case
    Column("h", BigInteger, nullable=False),  # its hash in resource.toks
    comment="every text that stands beside a code somewhere, once for each parameter; of no resource in particular",
)

index_code = Table(
    "index_code",
    metadata,
    Column("param", Integer, primary_key=True),
    Column("system", Text(collation="C"), primary_key=True),
    Column("code", Text(collation="C"), primary_key=True),
    Column("key", BigInteger, nullable=False),  # its hash in resource.toks
    Column("h", BigInteger),  # as in index_token, of hot parameters
    Column("sys", BigInteger),
    comment="every code of a system that stands somewhere, once for each parameter; of no resource in particular",
)

index_position = Table(
    "index_position",
    metadata,
    Column("param", Integer, nullable=False),
    Column("latitude", Double, nullable=False),  # degrees
    Column("longitude", Double, nullable=False),
    Column("pat", BigInteger),
    Column("pk", BigInteger, nullable=False),
)
Index("index_position_latitude", index_position.c.param, index_position.c.latitude, index_position.c.longitude)
Index("index_position_pk", index_position.c.pk)

index_words = Table(
    "index_words",
    metadata,
    Column("pk", BigInteger, primary_key=True),
    Column("narrative", TSVECTOR),  # null without one
    Column("content", TSVECTOR, nullable=False),
    comment="the words of each resource for full text, with a mark of its type",
)
Index("index_words_narrative", index_words.c.narrative, postgresql_using="gin")
Index("index_words_content", index_words.c.content, postgresql_using="gin")

index_label = Table(
    "index_label",
    metadata,
    Column("pk", BigInteger, nullable=False),
    Column("label", Text(collation="C"), nullable=False),  # "system|code" of meta.security
    Column("restricted", Boolean, nullable=False),  # it hides the resource from those who are not cleared for it
    comment="the security labels of resources; see search/security_labels.py",
)
Index("index_label_pk", index_label.c.pk)

consent_rule = Table(
    "consent_rule",
    metadata,
    Column("pk", BigInteger, nullable=False),  # of the Consent
    Column("n", Integer, nullable=False),
    Column("chain", ARRAY(Integer), nullable=False),  # the rules that enclose it, and itself
    Column("pat", BigInteger),
    Column("denies", Boolean, nullable=False),
    Column("starts", DateTime(timezone=True)),
    Column("ends", DateTime(timezone=True)),
    Column("actors", ARRAY(Text)),  # "Type/id" or "client/id"; this and what follows: null is no condition
    Column("types", ARRAY(Text)),
    Column("type_ids", ARRAY(Integer)),  # the same by their numbers
    Column("actions", ARRAY(Text)),  # read, create, change
    Column("labels", ARRAY(Text)),
    Column("data", ARRAY(Text)),  # "type/id", the type as its number
    comment="the provisions of active privacy Consents; see search/consent_rules.py",
)
Index("consent_rule_pat", consent_rule.c.pat)
Index("consent_rule_pk", consent_rule.c.pk, consent_rule.c.n)
Index("consent_rule_actors", consent_rule.c.actors, postgresql_using="gin")

owned = Table(
    "owned",
    metadata,
    Column("type", SmallInteger, primary_key=True),
    Column("id", Text(collation="C"), primary_key=True),
    Column("account", Text(collation="C"), nullable=False),  # username of the person
    Column("client", Text),  # whose app wrote it
    Column("patient", Text),  # of whom the app's token was
    comment="resources that belong to who wrote them; see store/owning.py",
)
Index("owned_account", owned.c.account)

server_key = Table(
    "server_key",
    metadata,
    Column("name", Text, primary_key=True),
    Column("key", LargeBinary, nullable=False),
    comment="random keys that all nodes of one server share, by purpose",
)
