"""What an administrator's doing tells people by mail."""

from __future__ import annotations

from healix_fhir.kernel.language.catalogue import counted, say
from healix_fhir.kernel.mail.message import SECRET, Mail


def choose_password(root: str, to: str, username: str, ticket: str, seconds: int) -> Mail:
    """To who gets an account, or another password for it, from the clinic."""
    hours = seconds // 3600
    days = counted(hours // 24, "{n} day", "{n} days")
    within = days if hours >= 48 else counted(hours, "{n} hour", "{n} hours")
    return Mail(
        to,
        say("Choose your password"),
        say(
            """The clinic made or opened the account {username} for you. To choose
its password, follow this link within {within}:

  {root}/account/reset?ticket={secret}

If you do not know of this, please tell the clinic.
""",
            root=root,
            username=username,
            within=within,
            secret=SECRET,
        ),
        ticket,
    )
