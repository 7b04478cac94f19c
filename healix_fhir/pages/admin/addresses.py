"""The addresses of the administrators' pages, each behind the gate."""

from __future__ import annotations

from collections.abc import Mapping

from healix_fhir.pages.admin import (
    audit,
    client,
    clients,
    devices,
    health,
    jobs,
    peers,
    retention,
    settings,
    storage,
    studies,
    study,
    subscriptions,
    sync,
    user,
    users,
)
from healix_fhir.pages.admin.gate import ADMIN, GATE, acting, always, makes_administrator, opens_all
from healix_fhir.pages.alerts import general
from healix_fhir.pages.gate import Handler

SHOWN: Mapping[str, Handler] = {
    ADMIN: GATE.showing(users.front),
    f"{ADMIN}/": GATE.showing(users.front),
    f"{ADMIN}/users": GATE.showing(users.listing),
    f"{ADMIN}/users/new": GATE.showing(users.form),
    f"{ADMIN}/users/{{username}}": GATE.showing(user.show),
    f"{ADMIN}/clients": GATE.showing(clients.listing),
    f"{ADMIN}/clients/new": GATE.showing(clients.form),
    f"{ADMIN}/clients/{{id}}": GATE.showing(client.show),
    f"{ADMIN}/devices": GATE.showing(devices.listing),
    f"{ADMIN}/audit": GATE.showing(audit.listing),
    f"{ADMIN}/jobs": GATE.showing(jobs.listing),
    f"{ADMIN}/storage": GATE.showing(storage.show),
    f"{ADMIN}/health": GATE.showing(health.show),
    f"{ADMIN}/settings": GATE.showing(settings.listing),
    f"{ADMIN}/peers": GATE.showing(peers.listing),
    f"{ADMIN}/peers/new": GATE.showing(peers.form),
    f"{ADMIN}/peers/known": GATE.showing(peers.show),
    f"{ADMIN}/subscriptions": GATE.showing(subscriptions.listing),
    f"{ADMIN}/sync": GATE.showing(sync.listing),
    f"{ADMIN}/studies": GATE.showing(studies.listing),
    f"{ADMIN}/studies/kept": GATE.showing(studies.kept),
    f"{ADMIN}/studies/retention": GATE.showing(retention.show),
    f"{ADMIN}/studies/{{uid}}": GATE.showing(study.show),
    general.RULES: GATE.showing(general.show),
}
"""What is answered to GET."""

SENT: Mapping[str, Handler] = {
    general.RULES: acting(general.submit),
    f"{general.RULES}/end": acting(general.end),
    f"{ADMIN}/users": acting(users.create, makes_administrator),
    f"{ADMIN}/users/{{username}}/change": acting(user.change, makes_administrator),
    f"{ADMIN}/users/{{username}}/close": acting(user.close),
    f"{ADMIN}/users/{{username}}/open": acting(user.open_again),
    f"{ADMIN}/users/{{username}}/unlock": acting(user.unlock),
    f"{ADMIN}/users/{{username}}/link": acting(user.link, always),
    f"{ADMIN}/users/{{username}}/factors": acting(user.factors, always),
    f"{ADMIN}/clients": acting(clients.create, opens_all),
    f"{ADMIN}/clients/{{id}}/change": acting(client.change, opens_all),
    f"{ADMIN}/clients/{{id}}/secret": acting(client.secret, always),
    f"{ADMIN}/clients/{{id}}/close": acting(client.close),
    f"{ADMIN}/clients/{{id}}/open": acting(client.open_again),
    f"{ADMIN}/clients/{{id}}/vouch": acting(client.vouch, always),
    f"{ADMIN}/clients/{{id}}/remove": acting(client.remove),
    f"{ADMIN}/devices/{{id}}/end": acting(devices.end),
    f"{ADMIN}/jobs/{{id}}/retry": acting(jobs.retry),
    f"{ADMIN}/peers": acting(peers.create, always),
    f"{ADMIN}/peers/known": acting(peers.change, always),
    f"{ADMIN}/peers/known/remove": acting(peers.forget, always),
    f"{ADMIN}/subscriptions/{{id}}/restart": acting(subscriptions.restart),
    f"{ADMIN}/sync/{{name}}/retry": acting(sync.retry),
    f"{ADMIN}/sync/{{name}}/decide": acting(sync.decide, always),
    f"{ADMIN}/studies/retention": acting(retention.add, always),
    f"{ADMIN}/studies/retention/remove": acting(retention.drop, always),
    f"{ADMIN}/studies/{{uid}}/assign": acting(study.give, always),
    f"{ADMIN}/studies/{{uid}}/hold": acting(study.keep),
    f"{ADMIN}/studies/{{uid}}/release": acting(study.let_go, always),
    f"{ADMIN}/studies/{{uid}}/restore": acting(study.bring_back, always),
    f"{ADMIN}/studies/{{uid}}/remove": acting(study.remove, always),
    f"{ADMIN}/studies/{{uid}}/relabel": acting(study.label, always),
    f"{ADMIN}/studies/{{uid}}/move": acting(study.move, always),
    f"{ADMIN}/studies/{{uid}}/undo": acting(study.take_back, always),
}
"""What takes a form by POST."""
