"""The tables of identity and access."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    func,
    text,
)

from healix_fhir.kernel.database import metadata

patient_key = Table(
    "patient_key",
    metadata,
    Column("pat", BigInteger, Identity(always=True), primary_key=True),
    Column("id", Text(collation="C"), nullable=False, unique=True),  # logical id of the Patient
    comment="surrogate keys of patients, which every row of a compartment carries",
)

care_relationship = Table(
    "care_relationship",
    metadata,
    Column("practitioner", Text(collation="C"), primary_key=True),  # its logical id; or RelatedPerson/ID
    Column("pat", BigInteger, primary_key=True),
    Column("source", Text(collation="C"), primary_key=True),  # "Type/id" of the resource that says so
    Column("starts", DateTime(timezone=True)),  # null: from the moment it is recorded
    Column("ends", DateTime(timezone=True)),  # null while open
    # opened by break-glass: `source` is then "$break-glass/id" of break_glass
    Column("emergency", Boolean, nullable=False, server_default=text("false")),
    # of an emergency one: what Consents and security labels hide is shown all the same
    Column("lifts", Boolean, nullable=False, server_default=text("false")),
    comment="which clinician cares, and which related person acts, for which patient; see smart_auth/stated.py",
)
Index("care_relationship_source", care_relationship.c.source)

break_glass = Table(
    "break_glass",
    metadata,
    Column("id", Text(collation="C"), primary_key=True),
    Column("practitioner", Text(collation="C"), nullable=False),  # logical id of the Practitioner
    Column("patient", Text(collation="C"), nullable=False),  # logical id of the Patient
    Column("username", Text(collation="C")),
    Column("client", Text),
    Column("reason", Text, nullable=False),
    Column("opened", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("ends", DateTime(timezone=True), nullable=False),
    comment="records that clinicians opened in an emergency; see smart_auth/break_glass.py",
)
Index("break_glass_patient", break_glass.c.patient, break_glass.c.opened)
Index("break_glass_practitioner", break_glass.c.practitioner, break_glass.c.ends)
Index("break_glass_opened", break_glass.c.opened)

actor_member = Table(
    "actor_member",
    metadata,
    Column("member", Text(collation="C"), primary_key=True),  # "Type/id"
    Column("actor", Text(collation="C"), primary_key=True),  # "Type/id" of what it belongs to
    Column("source", Text(collation="C"), primary_key=True),  # "Type/id" of the resource that says so
    Column("starts", DateTime(timezone=True)),
    Column("ends", DateTime(timezone=True)),
    comment="who belongs to which role, organization, team and group; kept by healix_fhir/care/memberships.py",
)
Index("actor_member_source", actor_member.c.source)

narrowing = Table(
    "narrowing",
    metadata,
    Column("kind", Text(collation="C"), primary_key=True),
    comment="the kinds of narrowing (see smart_auth/narrowing.py) that there is, or was, anything of",
)

several_compartments = Table(
    "several_compartments",
    metadata,
    Column("type", Text(collation="C"), primary_key=True),
    comment="the types (see smart_auth/several.py) of which a resource is or was in several compartments",
)

account = Table(
    "account",
    metadata,
    Column("username", Text(collation="C"), primary_key=True),  # in lower case
    Column("role", Text, nullable=False),  # patient, practitioner or admin
    Column("fhir_user", Text),  # "Patient/ID" or "Practitioner/ID"
    Column("password_hash", Text, nullable=False),  # argon2id, in PHC form
    Column("subject", Text, nullable=False, unique=True, server_default=text("gen_random_uuid()::text")),  # for apps
    Column("disabled", Boolean, nullable=False, server_default=text("false")),
    Column("clearance", ARRAY(Text), nullable=False, server_default=text("'{}'")),  # labels that do not hide from it
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("mail", Text),  # confirmed, in lower case
    Column("language", Text),  # that the person chose; NULL: as the browser says
    comment="people who log in",
)
Index("account_mail", account.c.mail)
Index("account_fhir_user", account.c.fhir_user)

account_link = Table(
    "account_link",
    metadata,
    Column("username", Text(collation="C"), primary_key=True),
    Column("related_person", Text(collation="C"), primary_key=True),  # RelatedPerson/ID
    comment="for whom patients' accounts act beside their fhir_user: one RelatedPerson for each patient",
)

client = Table(
    "client",
    metadata,
    Column("id", Text(collation="C"), primary_key=True),  # client_id
    Column("name", Text, nullable=False),
    Column("auth", Text, nullable=False),  # token_endpoint_auth_method
    Column("secret_hash", LargeBinary),  # SHA-256 of 256 random bits; null where auth needs none
    Column("scope", Text, nullable=False),
    Column("redirect_uris", ARRAY(Text), nullable=False),
    Column("post_logout_redirect_uris", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("grants", ARRAY(Text), nullable=False),
    Column("jwks", Text),
    Column("jwks_uri", Text),
    Column("launch_uri", Text),
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("disabled", Boolean, nullable=False, server_default=text("false")),  # closed by an administrator
    Column("project", BigInteger),  # of research_project: an app that sees its copies alone
    Column("vouched", Boolean, nullable=False, server_default=text("true")),  # false: it registered itself
    comment="registered apps. Spec: RFC 7591 section 2",
)

research_project = Table(
    "research_project",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text(collation="C"), nullable=False, unique=True),
    Column("secret", LargeBinary, nullable=False),
    Column("profile", Text, nullable=False),  # dicomweb.deidentify.options.Profile as JSON
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="how each project de-identifies, and the secret of its pseudonyms; see dicomweb/research",
)

access_token = Table(
    "access_token",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # SHA-256; the token itself is nowhere
    Column("client", Text, nullable=False),  # client_id, or the name of the command that made it
    Column("username", Text(collation="C")),
    Column("scope", Text, nullable=False),
    Column("patient", Text),  # logical id of the token's Patient
    Column("pat", BigInteger),
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("expires", DateTime(timezone=True), nullable=False),
    Column("revoked", Boolean, nullable=False, server_default=text("false")),
    Column("grant_id", Text(collation="C")),  # of app_grant; null for tokens that nobody's consent made
    Column("project", BigInteger),  # of research_project, as of client
    comment="opaque access tokens",
)
Index("access_token_expires", access_token.c.expires)
Index("access_token_grant", access_token.c.grant_id, postgresql_where=access_token.c.grant_id.is_not(None))

app_grant = Table(
    "app_grant",
    metadata,
    Column("id", Text(collation="C"), primary_key=True),  # the family of all tokens that come of it
    Column("client", Text(collation="C"), nullable=False),
    Column("username", Text(collation="C"), nullable=False),
    Column("context", Text, nullable=False),  # smart_auth.oauth.grant.Grant as JSON
    Column("session", LargeBinary),  # hash of the browser's session; the grant ends with it; null: it outlives it
    Column("code_hash", LargeBinary, nullable=False, unique=True),  # SHA-256 of the authorization code
    Column("code_expires", DateTime(timezone=True), nullable=False),
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("redeemed", DateTime(timezone=True)),  # when the code was; a second time ends the grant
    Column("ended", DateTime(timezone=True)),  # revoked, or misused
    comment="what a person allowed an app, and the code that says so. Spec: RFC 6749 section 1.3.1",
)
Index("app_grant_username", app_grant.c.username, app_grant.c.client)

refresh_token = Table(
    "refresh_token",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # SHA-256; the token itself is nowhere
    Column("grant_id", Text(collation="C"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("scope", Text, nullable=False),
    Column("seed", LargeBinary, nullable=False),  # with the token, but not alone, it makes the next ones
    Column("expires", DateTime(timezone=True), nullable=False),
    Column("used", DateTime(timezone=True)),  # when it was exchanged for the next generation
    comment="refresh tokens of a grant, each good for one exchange. Spec: RFC 9700 section 4.14.2",
)
Index("refresh_token_grant", refresh_token.c.grant_id)
Index("refresh_token_expires", refresh_token.c.expires)

used_assertion = Table(
    "used_assertion",
    metadata,
    Column("client", Text(collation="C"), primary_key=True),
    Column("jti", LargeBinary, primary_key=True),  # SHA-256 of the claim
    Column("expires", DateTime(timezone=True), nullable=False),
    comment="client assertions that must not be taken again. Spec: RFC 7523 section 3",
)
Index("used_assertion_expires", used_assertion.c.expires)

session = Table(
    "session",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # SHA-256 of the cookie's secret
    Column("username", Text(collation="C"), nullable=False),
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("used", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("methods", ARRAY(Text), nullable=False),  # how the person signed in: values of amr, RFC 8176
    Column("address", Text),  # where its last request came from
    Column("agent", Text),  # User-Agent of that request
    comment="signed-in browsers",
)
Index("session_username", session.c.username)

pending_login = Table(
    "pending_login",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # SHA-256 of the cookie's secret
    Column("username", Text(collation="C"), nullable=False),
    Column("methods", ARRAY(Text), nullable=False),  # what was shown so far
    Column("request", Text, nullable=False),  # name of the app's request that the person goes on with, or empty
    Column("after", Text, nullable=False),  # page that the person goes on to, or empty
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="logins that wait for their second step",
)
Index("pending_login_created", pending_login.c.created)

totp = Table(
    "totp",
    metadata,
    Column("username", Text(collation="C"), primary_key=True),
    Column("sealed", LargeBinary),  # the secret in force, encrypted; see smart_auth/oauth/seal.py
    Column("proposed", LargeBinary),  # one that waits for its confirmation
    Column("step", BigInteger, nullable=False, server_default=text("0")),  # of the last code that was accepted
    Column("confirmed", DateTime(timezone=True)),
    comment="authenticator apps. Spec: RFC 6238",
)

passkey = Table(
    "passkey",
    metadata,
    Column("id", LargeBinary, primary_key=True),  # credential id
    Column("username", Text(collation="C"), nullable=False),
    Column("handle", LargeBinary, nullable=False),  # the account's random name for authenticators
    Column("name", Text, nullable=False),
    Column("public_key", LargeBinary, nullable=False),  # COSE_Key
    Column("sign_count", BigInteger, nullable=False),  # the authenticator's counter; 0 where it has none
    Column("synced", Boolean, nullable=False),  # may be on several devices (backup eligible)
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("used", DateTime(timezone=True)),
    comment="passkeys. Spec: WebAuthn Level 2 section 4 (credential record)",
)
Index("passkey_username", passkey.c.username)

passkey_challenge = Table(
    "passkey_challenge",
    metadata,
    Column("holder", LargeBinary, primary_key=True),  # SHA-256 of the secret of the browser's cookie
    Column("value", LargeBinary, nullable=False),
    Column("handle", LargeBinary),  # of the account that a new passkey is for
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="challenges that wait for a passkey's signature",
)
Index("passkey_challenge_created", passkey_challenge.c.created)

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # SHA-256 of the account and 80 random bits
    Column("username", Text(collation="C"), nullable=False),
    Column("used", DateTime(timezone=True)),
    comment="codes that stand in once for a lost factor",
)
Index("recovery_code_username", recovery_code.c.username)

ticket = Table(
    "ticket",
    metadata,
    Column("id", Text(collation="C"), primary_key=True),
    Column("purpose", Text, nullable=False),  # smart_auth.account.tickets.Purpose
    Column("hash", LargeBinary, unique=True),  # SHA-256 of the secret; null until the mail with it is sent
    Column("username", Text(collation="C")),  # the account that it is about
    Column("details", LargeBinary, nullable=False),  # JSON
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("expires", DateTime(timezone=True), nullable=False),
    comment="what the holder of a mailed secret may do once",
)
Index("ticket_username", ticket.c.username)
Index("ticket_expires", ticket.c.expires)

throttle = Table(
    "throttle",
    metadata,
    Column("bucket", LargeBinary, primary_key=True),  # hash of a rule and what it counts by; see oauth/throttle.py
    Column("quota", Integer, nullable=False),  # of its rule, as are pause and longest
    Column("pause", Float, nullable=False),
    Column("longest", Float, nullable=False),
    Column("hits", Integer, nullable=False),
    Column("until", DateTime(timezone=True)),  # what comes earlier is refused
    Column("expires", DateTime(timezone=True), nullable=False),  # the count is over
    comment="counts of what is limited",
    prefixes=["UNLOGGED"],
    postgresql_with={"fillfactor": 70},
)

signing_key = Table(
    "signing_key",
    metadata,
    Column("kid", Text(collation="C"), primary_key=True),
    Column("public", Text, nullable=False),  # JWK
    Column("sealed", LargeBinary, nullable=False),  # the private JWK, encrypted; see smart_auth/oauth/seal.py
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("retired", DateTime(timezone=True)),  # signs no more; published until what it signed has expired
    comment="keys of id tokens. Spec: RFC 7517",
)

authorization_request = Table(
    "authorization_request",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # SHA-256 of the name that the browser carries
    Column("asked", LargeBinary, nullable=False),  # the request, as JSON
    Column("username", Text(collation="C")),  # the account that goes on with it
    Column("launched", LargeBinary),  # the context of its launch, as JSON
    Column("patient", Text),  # logical id of the Patient that is chosen
    Column("encounter", Text),  # logical id of the Encounter that is chosen; empty where none is meant
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="authorization requests that wait for a person",
)
Index("authorization_request_created", authorization_request.c.created)

launch = Table(
    "launch",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # SHA-256 of the launch parameter
    Column("client", Text, nullable=False),
    Column("username", Text(collation="C"), nullable=False),
    Column("launched", LargeBinary, nullable=False),  # its context, as JSON
    Column("expires", DateTime(timezone=True), nullable=False),
    comment="launches of apps that are not used yet",
)
Index("launch_expires", launch.c.expires)

consent = Table(
    "consent",
    metadata,
    Column("username", Text(collation="C"), primary_key=True),
    Column("client", Text(collation="C"), primary_key=True),
    Column("offered", LargeBinary, primary_key=True),  # SHA-256 of the scopes that the person was asked about
    Column("granted", Text, nullable=False),
    Column("given", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="what people have granted to apps",
)
