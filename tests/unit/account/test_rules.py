"""Which passwords are taken."""

from __future__ import annotations

import pytest
from pwdlib import PasswordHash

from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.settings import load
from smart_auth.account import distill
from smart_auth.account.guesses import bits
from smart_auth.account.rules import ENOUGH, GUESSED, check_password
from smart_auth.account.words import words
from smart_auth.oauth.passwords import LONGEST, hash_password, matches

ABOUT = ("ada.lovelace", "countess@example.org", "HX-1815-77")


@pytest.mark.spec("OWASP ASVS 5.0 6.2.1")
@pytest.mark.parametrize("password", ["", "x8%kQ2.", "k" * (LONGEST + 1)])
def test_length(password: str) -> None:
    """A password has at least eight characters, and not more than can be hashed without harm."""
    with pytest.raises(HealixError, match="A password has 8 to 256 characters"):
        check_password(password)


@pytest.mark.spec("OWASP ASVS 5.0 6.2.9")
def test_long_passwords_are_taken() -> None:
    """A passphrase of more than 64 characters is taken, whole."""
    password = "seven quiet lighthouses count every green umbrella that drifts past the pier at noon"
    check_password(password)
    assert matches(password, hash_password(password))
    assert not matches(password[:-1], hash_password(password))


@pytest.mark.spec("OWASP ASVS 5.0 6.2.4")
@pytest.mark.spec("OWASP ASVS 5.0 6.2.12")
@pytest.mark.parametrize(
    "password",
    [
        "password", "12345678", "iloveyou", "trustno1", "Password1!", "P@ssw0rd2024!!", "drowssap1", "letmein12345",
        "qwertyuiop12", "1qaz2wsx3edc", "zyxwvutsrqpo", "aaaaaaaaaaaaaaaaaaaa", "abcabcabcabcabc", "adminadminadmin",
        "Summer2024!", "michael1234!", "football2023", "correcthorse", "MONKEYDRAGON",
    ],
)  # fmt: skip
def test_guessed_first(password: str) -> None:
    """What stands in lists of breaches is refused, also with the usual capitals, figures and signs added to it."""
    with pytest.raises(HealixError) as refused:
        check_password(password)
    assert refused.value.message == GUESSED


@pytest.mark.spec("OWASP ASVS 5.0 6.2.11")
@pytest.mark.parametrize(
    "password",
    [
        "healixhealix1", "Healix2026!", "ada.lovelace", "AdaLovelace1815", "lovelace-ada-77", "countess2026",
        "c0untess!!!!", "HX-1815-77", "hospital12345",
    ],
)  # fmt: skip
def test_words_of_the_context(password: str) -> None:
    """The product's name and what is known of the person do not make a password."""
    with pytest.raises(HealixError):
        check_password(password, ABOUT)


@pytest.mark.spec("OWASP ASVS 5.0 6.2.5")
@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery", "correct horse battery staple", "xK9#mP2$vL", "x8dk2ls9fq", "Sup3r-S3cret!",
        "kaffee und torte", "две тысячи лодок", "水曜日の朝に歩く犬たち", "purple monkey dishwasher",
        "long enough 1", "a-long-enough-pass-1",
    ],
)  # fmt: skip
def test_good_ones(password: str) -> None:
    """Any characters in any composition are taken when they are hard enough to guess."""
    check_password(password, ABOUT)


def test_length_by_setting() -> None:
    """A clinic may ask for more characters, not for fewer."""
    assert load(environ={}).password_length == 8
    with pytest.raises(HealixError, match="15 to 256"):
        check_password("xK9#mP2$vL", (), load(environ={"HEALIX_PASSWORD_LENGTH": "15"}).password_length)
    for value in ("7", "65"):
        with pytest.raises(HealixError, match="HEALIX_PASSWORD_LENGTH"):
            load(environ={"HEALIX_PASSWORD_LENGTH": value})


@pytest.mark.spec("NIST SP 800-63B-4 3.1.1.2")
def test_keyboards_do_not_matter() -> None:
    """What looks the same is the same password, whichever way it was typed."""
    assert matches("cafe\u0301 au lait", hash_password("caf\u00e9 au lait"))


def test_hostile_lengths_cost_little() -> None:
    """A password of any length is judged by its first characters."""
    known = words()
    assert bits("ab" * 100_000, known) == bits("ab" * 50, known)


def test_words_are_those_of_the_lists() -> None:
    """A word's bits are those of its best rank in any list; what is too short is left to single characters."""
    made = distill.tiers([["Dragon", "ab", "horse", "x\ty"], ["horse", "one", "two", "dragon"]])
    assert made == [["dragon", "horse"], ["one", "two"]]
    known = words()
    assert len(known) > 100_000
    assert (known["123456"], known["password"]) == (1, 2)
    assert max(known.values()) < ENOUGH


@pytest.mark.spec("OWASP ASVS 5.0 11.4.2")
def test_guessing_is_dear(owasp: PasswordHash) -> None:
    """A hash has the parameters of OWASP's Password Storage Cheat Sheet (2024)."""
    assert owasp.hash("x").startswith("$argon2id$v=19$m=19456,t=2,p=1$")
