"""What people are told by mail. No mail tells anything of a record, and none asks for a password."""

from __future__ import annotations

from healix_fhir.kernel.mail.message import SECRET, Mail

WITHOUT_YOU = "If this was not you, somebody may know your password. Set a new one at once:\n\n  {root}/account/reset\n"
IGNORE = "If you did not ask for this, you need not do anything.\n"


def confirm_registration(root: str, to: str, username: str, ticket: str) -> Mail:
    """To whoever asked for an account."""
    return Mail(
        to,
        "Confirm your account",
        f"""Somebody, probably you, asked for an account named {username}
for your health record. To open it, follow this link within a day:

  {root}/account/register/confirm?ticket={SECRET}

{IGNORE}""",
        ticket,
    )


def name_taken(root: str, to: str, username: str) -> Mail:
    """To whoever asked for an account under another's name."""
    return Mail(
        to,
        "Choose another username",
        f"""The username {username} is not free. Please register once more
with another one:

  {root}/account/register

{IGNORE}""",
    )


def has_account(root: str, to: str, username: str) -> Mail:
    """To who has an account for the record already."""
    return Mail(
        to,
        "You have an account already",
        f"""Somebody, perhaps you, asked for an account for your health
record. You have one: its username is {username}. If you have
forgotten the password, set a new one:

  {root}/account/reset

If you did not ask for this, please tell the clinic.
""",
    )


def new_password(root: str, to: str, username: str, ticket: str) -> Mail:
    """To who forgot a password."""
    return Mail(
        to,
        "Set a new password",
        f"""Somebody, probably you, asked for a new password for the account
{username}. To set it, follow this link within half an hour:

  {root}/account/reset?ticket={SECRET}

{IGNORE}""",
        ticket,
    )


def password_changed(root: str, to: str, username: str) -> Mail:
    """A notice after the fact. Spec: OWASP ASVS 5.0 6.3.7"""
    return Mail(
        to,
        "Your password was changed",
        f"The password of the account {username} was changed.\n\n{WITHOUT_YOU.format(root=root)}",
    )


def factors_changed(root: str, to: str, username: str, what: str) -> Mail:
    """A notice after the fact. Spec: OWASP ASVS 5.0 6.3.7"""
    return Mail(
        to,
        "How you sign in has changed",
        f"Account {username}:\n{what}\n\n{WITHOUT_YOU.format(root=root)}",
    )


def confirm_address(root: str, to: str, username: str, ticket: str) -> Mail:
    """To the new address of an account."""
    return Mail(
        to,
        "Confirm your mail address",
        f"""This address is to be that of the account {username}. To confirm
it, follow this link within an hour:

  {root}/account/mail/confirm?ticket={SECRET}

{IGNORE}""",
        ticket,
    )


def address_changed(root: str, to: str, username: str) -> Mail:
    """A notice to the old address. Spec: OWASP ASVS 5.0 6.3.7"""
    return Mail(
        to,
        "Your mail address was changed",
        f"""Mail to the account {username} goes to another address from now
on, not to this one.

If this was not you, please tell the clinic at once.
""",
    )
