"""The addresses of the administrators' pages, each behind the gate."""

from __future__ import annotations

from collections.abc import Mapping

from healix_fhir.pages.admin import client, clients, user, users
from healix_fhir.pages.admin.gate import ADMIN, Handler, acting, always, makes_administrator, opens_all, showing

SHOWN: Mapping[str, Handler] = {
    ADMIN: showing(users.front),
    f"{ADMIN}/": showing(users.front),
    f"{ADMIN}/users": showing(users.listing),
    f"{ADMIN}/users/new": showing(users.form),
    f"{ADMIN}/users/{{username}}": showing(user.show),
    f"{ADMIN}/clients": showing(clients.listing),
    f"{ADMIN}/clients/new": showing(clients.form),
    f"{ADMIN}/clients/{{id}}": showing(client.show),
}
"""What is answered to GET."""

SENT: Mapping[str, Handler] = {
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
    f"{ADMIN}/clients/{{id}}/remove": acting(client.remove),
}
"""What takes a form by POST."""
