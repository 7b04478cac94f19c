"""The addresses of the pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from healix_fhir.interaction.status import STATUS
from healix_fhir.kernel.errors import Category
from healix_fhir.kernel.refusal import as_refusal
from healix_fhir.pages import (
    apps,
    devices,
    dicomweb,
    emergency,
    home,
    language,
    launch,
    leaving,
    login,
    openapi,
    passkey_login,
    record_data,
    report,
    report_link,
    second_step,
)
from healix_fhir.pages.account import invite, looked, register, reset, sessions, settings
from healix_fhir.pages.admin.addresses import SENT, SHOWN
from healix_fhir.pages.alerts import flags
from healix_fhir.pages.alerts import inbox as alerts
from healix_fhir.pages.alerts import rules as alert_rules
from healix_fhir.pages.appointment.addresses import SENT as APPOINTED
from healix_fhir.pages.appointment.addresses import SHOWN as APPOINTMENTS
from healix_fhir.pages.authorize import decision, encounter, patient, start
from healix_fhir.pages.authorize.flow import ONWARD
from healix_fhir.pages.circle import acts
from healix_fhir.pages.circle import overview as circle
from healix_fhir.pages.circle.whose import ADDRESS as ACCESS
from healix_fhir.pages.entering import SECOND, SECURITY, SETUP
from healix_fhir.pages.form import check_address
from healix_fhir.pages.goals import edit as goal
from healix_fhir.pages.goals import overview as goals
from healix_fhir.pages.goals.whose import ADDRESS as GOALS
from healix_fhir.pages.language import spoken_to
from healix_fhir.pages.prescription import addresses as prescription
from healix_fhir.pages.reading import addresses as reading
from healix_fhir.pages.readings import page as readings
from healix_fhir.pages.render import asset, page
from healix_fhir.pages.security import authenticator, codes, overview, passkey
from healix_fhir.pages.site import Site, origin
from healix_fhir.pages.style import STYLE, style
from smart_auth.discovery import END_SESSION

Handler = Callable[[Site, Request], Awaitable[Response]]
AUDITED = (Category.FORBIDDEN, Category.BUSY)
ASSETS = {
    "healix.css": "text/css",
    "admin.css": "text/css",
    "healix.svg": "image/svg+xml",
    "passkey.js": "text/javascript",
    "form_post.js": "text/javascript",
}


def routes(site: Site) -> list[BaseRoute]:
    """Everything below `/account` and `/admin`, the authorization endpoint, the server's front door, and what it tells
    people of its DICOMweb and FHIR services.
    """
    return [
        Route("/", _front),
        Route("/account", _front),
        Route("/account/", _answering(site, home.show)),
        Route("/account/login", _answering(site, login.show)),
        Route("/account/login", _answering(site, login.submit), methods=["POST"]),
        *_security(site),
        *_accounts(site),
        Route(leaving.HERE, _answering(site, leaving.ask)),
        Route(leaving.HERE, _answering(site, leaving.leave), methods=["POST"]),
        Route(END_SESSION, _answering(site, leaving.by_get)),
        Route(END_SESSION, _answering(site, leaving.by_post), methods=["POST"]),
        Route(apps.APPS, _answering(site, apps.show)),
        Route(apps.APPS, _answering(site, apps.take_back), methods=["POST"]),
        *_reports(site),
        Route(emergency.ADDRESS, _answering(site, emergency.show)),
        Route(emergency.ADDRESS, _answering(site, emergency.submit), methods=["POST"]),
        Route(f"{emergency.ADDRESS}/end", _answering(site, emergency.finish), methods=["POST"]),
        Route(readings.ADDRESS, _answering(site, readings.show)),
        Route(devices.ADDRESS, _answering(site, devices.show)),
        Route(devices.ADDRESS, _answering(site, devices.submit), methods=["POST"]),
        Route(language.ADDRESS, _answering(site, language.choose), methods=["POST"]),
        Route("/account/launch", _answering(site, launch.start), methods=["POST"]),
        *_goals(site),
        *_alerts(site),
        *_circle(site),
        Route("/oauth/authorize", _answering(site, start.by_get)),
        Route("/oauth/authorize", _answering(site, start.by_post), methods=["POST"]),
        Route(ONWARD, _answering(site, decision.onward)),
        Route(f"{ONWARD}/patient", _answering(site, patient.submit), methods=["POST"]),
        Route(f"{ONWARD}/encounter", _answering(site, encounter.submit), methods=["POST"]),
        Route(STYLE, style),
        Route(dicomweb.ADDRESS, _answering(site, dicomweb.show)),
        Route(openapi.ADDRESS, _answering(site, openapi.show)),
        Route(openapi.DOCUMENT, _answering(site, openapi.download)),
        Route(f"{ONWARD}/decision", _answering(site, decision.submit), methods=["POST"]),
        *(Route(path, _answering(site, handler)) for path, handler in APPOINTMENTS.items()),
        *(Route(path, _answering(site, handler), methods=["POST"]) for path, handler in APPOINTED.items()),
        *(Route(path, _answering(site, handler)) for path, handler in reading.SHOWN.items()),
        *(Route(path, _answering(site, handler), methods=["POST"]) for path, handler in reading.SENT.items()),
        *(Route(path, _answering(site, handler)) for path, handler in prescription.SHOWN.items()),
        *(Route(path, _answering(site, handler), methods=["POST"]) for path, handler in prescription.SENT.items()),
        *(Route(path, _answering(site, handler)) for path, handler in SHOWN.items()),
        *(Route(path, _answering(site, handler), methods=["POST"]) for path, handler in SENT.items()),
        *(Route(f"/account/assets/{name}", _asset(name)) for name in ASSETS),
    ]


def _accounts(site: Site) -> list[BaseRoute]:
    """Registration, passwords, mail addresses, sessions."""
    both = (
        (register.ADDRESS, register.show, register.submit),
        (register.CONFIRM, register.look, register.confirm),
        (reset.ADDRESS, reset.show, reset.submit),
        (settings.CONFIRM, settings.look, settings.confirm),
        (sessions.ADDRESS, sessions.show, sessions.end),
    )
    return [
        *(Route(path, _answering(site, show)) for path, show, _ in both),
        *(Route(path, _answering(site, submit), methods=["POST"]) for path, _, submit in both),
        Route(settings.SETTINGS, _answering(site, settings.show)),
        Route(looked.ADDRESS, _answering(site, looked.show)),
        Route("/account/password", _answering(site, settings.set_password), methods=["POST"]),
        Route("/account/mail", _answering(site, settings.set_mail), methods=["POST"]),
        Route(invite.ADDRESS, _answering(site, invite.make), methods=["POST"]),
    ]


def _alerts(site: Site) -> list[BaseRoute]:
    """Alerts, flags, and the rules of one patient."""
    return [
        Route(alerts.ADDRESS, _answering(site, alerts.show)),
        Route(alerts.ADDRESS, _answering(site, alerts.deal), methods=["POST"]),
        Route(flags.ADDRESS, _answering(site, flags.show)),
        Route(alert_rules.RULES, _answering(site, alert_rules.show)),
        Route(alert_rules.RULES, _answering(site, alert_rules.submit), methods=["POST"]),
        Route(f"{alert_rules.RULES}/end", _answering(site, alert_rules.end), methods=["POST"]),
    ]


def _goals(site: Site) -> list[BaseRoute]:
    return [
        Route(GOALS, _answering(site, goals.show)),
        Route(f"{GOALS}/edit", _answering(site, goal.show)),
        Route(f"{GOALS}/edit", _answering(site, goal.submit), methods=["POST"]),
        Route(f"{GOALS}/status", _answering(site, goal.step), methods=["POST"]),
    ]


def _circle(site: Site) -> list[BaseRoute]:
    """Who has access, and inviting to it."""
    sent = {"invite": acts.invite, "answer": acts.answer, "withdraw": acts.withdraw, "end": acts.end}
    return [
        Route(ACCESS, _answering(site, circle.show)),
        *(Route(f"{ACCESS}/{name}", _answering(site, act), methods=["POST"]) for name, act in sent.items()),
    ]


def _reports(site: Site) -> list[BaseRoute]:
    """Reports of records, and the links by which they are sent."""
    return [
        Route(report.ADDRESS, _answering(site, report.show)),
        Route(report.ADDRESS, _answering(site, report.make), methods=["POST"]),
        Route(report.SEND, _answering(site, report.send), methods=["POST"]),
        Route(report.TAKE_BACK, _answering(site, report.take_back), methods=["POST"]),
        Route(record_data.ADDRESS, _answering(site, record_data.show)),
        Route(f"{report.ADDRESS}/{{document}}", _answering(site, report.download)),
        Route(report_link.ADDRESS, _answering(site, report_link.show)),
        Route(report_link.ADDRESS, _answering(site, report_link.enter), methods=["POST"]),
    ]


def _security(site: Site) -> list[BaseRoute]:
    """The second step, and where it is set up: by somebody signed in, or at a login that cannot do without."""
    routes: list[BaseRoute] = [
        Route(SECOND, _answering(site, second_step.show)),
        Route(SECOND, _answering(site, second_step.submit), methods=["POST"]),
        Route(SECURITY, _answering(site, overview.show)),
        Route(SETUP, _answering(site, overview.choose)),
        Route(passkey_login.ADDRESS, _answering(site, passkey_login.show)),
        Route(passkey_login.ADDRESS, _answering(site, passkey_login.submit), methods=["POST"]),
        Route(f"{SECURITY}/{passkey.PAGE}/rename", _answering(site, passkey.rename), methods=["POST"]),
        Route(f"{SECURITY}/{passkey.PAGE}/remove", _answering(site, passkey.remove), methods=["POST"]),
        Route(f"{SECURITY}/codes", _answering(site, codes.renew), methods=["POST"]),
        Route(f"{SECURITY}/{authenticator.PAGE}/remove", _answering(site, authenticator.remove), methods=["POST"]),
    ]
    for place in (SECURITY, SETUP):
        at = f"{place}/{authenticator.PAGE}"
        routes += [
            Route(at, _answering(site, authenticator.show)),
            Route(at, _answering(site, authenticator.begin), methods=["POST"]),
            Route(f"{at}/confirm", _answering(site, authenticator.confirm), methods=["POST"]),
            Route(f"{place}/{passkey.PAGE}", _answering(site, passkey.show)),
            Route(f"{place}/{passkey.PAGE}", _answering(site, passkey.submit), methods=["POST"]),
        ]
    return routes


def _answering(site: Site, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """`handler` in the language of who asks, with refusals and failures as pages."""

    async def answer(request: Request) -> Response:
        with spoken_to(site, request):
            return await _answer(request)

    async def _answer(request: Request) -> Response:
        try:
            check_address(request)
            return await handler(site, request)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - people see a page whatever fails; as_refusal logs it
            refusal = as_refusal(error, request.scope.get("healix.request", ""))
            if refusal.category in AUDITED:
                await site.denials.refused(origin(request), "page", entity=request.url.path)
            shown = page("error.html", STATUS[refusal.category].value, message=refusal.message)
            shown.headers.update(refusal.waiting)
            return shown

    return answer


async def _front(request: Request) -> Response:
    del request
    return RedirectResponse("/account/", 303)


def _asset(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        known = request.query_params.get("v") is not None
        cache = "public, max-age=31536000, immutable" if known else "no-cache"
        return Response(asset(name), media_type=ASSETS[name], headers={"Cache-Control": cache})

    return answer
