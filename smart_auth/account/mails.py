"""What people are told by mail. No mail tells anything of a record, and none asks for a password."""

from __future__ import annotations

from healix_fhir.kernel.language.catalogue import heard, marked, say
from healix_fhir.kernel.mail.message import SECRET, Mail

WITHOUT_YOU = marked(
    "If this was not you, somebody may know your password. Set a new one at once:\n\n  {root}/account/reset\n"
)
IGNORE = marked("If you did not ask for this, you need not do anything.\n")


def confirm_registration(root: str, to: str, username: str, ticket: str) -> Mail:
    """To whoever asked for an account."""
    return Mail(
        to,
        say("Confirm your account"),
        say(
            """Somebody, probably you, asked for an account named {username}
for your health record. To open it, follow this link within a day:

  {root}/account/register/confirm?ticket={secret}

""",
            root=root,
            username=username,
            secret=SECRET,
        )
        + say(IGNORE),
        ticket,
    )


def name_taken(root: str, to: str, username: str) -> Mail:
    """To whoever asked for an account under another's name."""
    return Mail(
        to,
        say("Choose another username"),
        say(
            """The username {username} is not free. Please register once more
with another one:

  {root}/account/register

""",
            root=root,
            username=username,
        )
        + say(IGNORE),
    )


def has_account(root: str, to: str, username: str) -> Mail:
    """To who has an account for the record already."""
    return Mail(
        to,
        say("You have an account already"),
        say(
            """Somebody, perhaps you, asked for an account for your health
record. You have one: its username is {username}. If you have
forgotten the password, set a new one:

  {root}/account/reset

If you did not ask for this, please tell the clinic.
""",
            root=root,
            username=username,
        ),
    )


def new_password(root: str, to: str, username: str, ticket: str) -> Mail:
    """To who forgot a password."""
    return Mail(
        to,
        say("Set a new password"),
        say(
            """Somebody, probably you, asked for a new password for the account
{username}. To set it, follow this link within half an hour:

  {root}/account/reset?ticket={secret}

""",
            root=root,
            username=username,
            secret=SECRET,
        )
        + say(IGNORE),
        ticket,
    )


def password_changed(root: str, to: str, username: str) -> Mail:
    """A notice after the fact. Spec: OWASP ASVS 5.0 6.3.7"""
    return Mail(
        to,
        say("Your password was changed"),
        say("The password of the account {username} was changed.", username=username)
        + f"\n\n{say(WITHOUT_YOU, root=root)}",
    )


def factors_changed(root: str, to: str, username: str, what: str) -> Mail:
    """A notice after the fact. Spec: OWASP ASVS 5.0 6.3.7"""
    return Mail(
        to,
        say("How you sign in has changed"),
        say("Account {username}:", username=username) + f"\n{heard(what)}\n\n{say(WITHOUT_YOU, root=root)}",
    )


def confirm_address(root: str, to: str, username: str, ticket: str) -> Mail:
    """To the new address of an account."""
    return Mail(
        to,
        say("Confirm your mail address"),
        say(
            """This address is to be that of the account {username}. To confirm
it, follow this link within an hour:

  {root}/account/mail/confirm?ticket={secret}

""",
            root=root,
            username=username,
            secret=SECRET,
        )
        + say(IGNORE),
        ticket,
    )


def address_changed(root: str, to: str, username: str) -> Mail:
    """A notice to the old address. Spec: OWASP ASVS 5.0 6.3.7"""
    return Mail(
        to,
        say("Your mail address was changed"),
        say(
            """Mail to the account {username} goes to another address from now
on, not to this one.

If this was not you, please tell the clinic at once.
""",
            username=username,
        ),
    )
