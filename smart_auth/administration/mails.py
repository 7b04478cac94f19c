"""What an administrator's doing tells people by mail."""

from __future__ import annotations

from healix_fhir.kernel.mail.message import SECRET, Mail


def choose_password(root: str, to: str, username: str, ticket: str, seconds: int) -> Mail:
    """To who gets an account, or another password for it, from the clinic."""
    hours = seconds // 3600
    within = f"{hours // 24} days" if hours >= 48 else f"{hours} hours"
    return Mail(
        to,
        "Choose your password",
        f"""The clinic made or opened the account {username} for you. To choose
its password, follow this link within {within}:

  {root}/account/reset?ticket={SECRET}

If you do not know of this, please tell the clinic.
""",
        ticket,
    )
