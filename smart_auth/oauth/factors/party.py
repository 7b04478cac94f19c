"""This server as a party that relies on passkeys, and the two ceremonies with an authenticator.

The library checks what the specification lists; here stand the choices: every passkey can be found by the authenticator
itself and asks its owner for a PIN or a finger, each time. What makes an authenticator is not asked: no attestation.

Spec: WebAuthn Level 2, w3.org/TR/webauthn-2/#sctn-registering-a-new-credential, #sctn-verifying-assertion
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from healix_fhir.kernel.errors import invalid
from smart_auth.oauth.factors.refusal import not_proved

NAME = "Healix"
PATIENCE = 5 * 60
"""Seconds that a person has for a ceremony."""
LARGEST = 12 * 1024
ODD = "That passkey did not answer as it should. Please try again."


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """What an authenticator has made. `synced`: it is one that may be on several devices."""

    id: bytes
    public_key: bytes
    sign_count: int
    synced: bool


class Signed(msgspec.Struct, frozen=True):
    """What an authenticator has signed, as the browser's script sends it; `handle` is the one of its account."""

    credential: bytes
    handle: bytes | None
    text: str


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The server at `root`, its URL without a slash at the end."""

    root: str

    @property
    def id(self) -> str:
        """What passkeys are bound to: the server's name."""
        return urlsplit(self.root).hostname or ""

    @property
    def origin(self) -> str:
        """What browsers call the server. Spec: RFC 6454 6.1"""
        parts = urlsplit(self.root)
        usual = {"https": 443, "http": 80}.get(parts.scheme)
        return f"{parts.scheme}://{self.id}" + ("" if parts.port in (None, usual) else f":{parts.port}")

    @property
    def usable(self) -> bool:
        """Whether browsers have passkeys for this address: a name, and TLS or this machine."""
        try:
            ipaddress.ip_address(self.id)
        except ValueError:
            return self.root.startswith("https:") or self.id == "localhost" or self.id.endswith(".localhost")
        return False

    def creation(self, username: str, handle: bytes, challenge: bytes, known: Sequence[bytes]) -> str:
        """What the browser asks an authenticator that makes a passkey, as JSON; none that has one of the `known`."""
        from webauthn import generate_registration_options, options_to_json
        from webauthn.helpers.structs import (
            AuthenticatorSelectionCriteria,
            PublicKeyCredentialDescriptor,
            ResidentKeyRequirement,
            UserVerificationRequirement,
        )

        return options_to_json(
            generate_registration_options(
                rp_id=self.id,
                rp_name=NAME,
                user_name=username,
                user_id=handle,
                challenge=challenge,
                timeout=PATIENCE * 1000,
                authenticator_selection=AuthenticatorSelectionCriteria(
                    resident_key=ResidentKeyRequirement.REQUIRED,
                    user_verification=UserVerificationRequirement.REQUIRED,
                ),
                exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
            )
        )

    def request(self, challenge: bytes, known: Sequence[bytes] = ()) -> str:
        """What it asks one to sign, as JSON: with one of the `known` passkeys, else with any for this server."""
        from webauthn import generate_authentication_options, options_to_json
        from webauthn.helpers.structs import PublicKeyCredentialDescriptor, UserVerificationRequirement

        return options_to_json(
            generate_authentication_options(
                rp_id=self.id,
                challenge=challenge,
                timeout=PATIENCE * 1000,
                allow_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
                user_verification=UserVerificationRequirement.REQUIRED,
            )
        )

    def made(self, text: str, challenge: bytes) -> NewPasskey:
        """The passkey in the answer to `creation`. Raises Invalid."""
        from webauthn import verify_registration_response
        from webauthn.helpers import parse_registration_credential_json
        from webauthn.helpers.structs import CredentialDeviceType

        try:
            parsed = parse_registration_credential_json(_bounded(text))
            _refuse_framed(parsed.response.client_data_json)
            found = verify_registration_response(
                credential=parsed,
                expected_challenge=challenge,
                expected_rp_id=self.id,
                expected_origin=self.origin,
                require_user_verification=True,
            )
        except Exception as error:  # whatever the library finds wrong with a stranger's bytes
            raise invalid(ODD) from error
        synced = found.credential_device_type is CredentialDeviceType.MULTI_DEVICE
        return NewPasskey(found.credential_id, found.credential_public_key, found.sign_count, synced)

    def count(self, signed: Signed, challenge: bytes, public_key: bytes) -> int:
        """The authenticator's counter in a good answer to `request`. Raises Unauthenticated.

        That it has not gone back is for the caller to see, in the moment in which it keeps it.
        """
        from webauthn import verify_authentication_response
        from webauthn.helpers import parse_authentication_credential_json

        try:
            parsed = parse_authentication_credential_json(signed.text)
            _refuse_framed(parsed.response.client_data_json)
            found = verify_authentication_response(
                credential=parsed,
                expected_challenge=challenge,
                expected_rp_id=self.id,
                expected_origin=self.origin,
                credential_public_key=public_key,
                credential_current_sign_count=0,
                require_user_verification=True,
            )
        except Exception as error:  # whatever the library finds wrong with a stranger's bytes
            raise not_proved(f"passkey: {type(error).__name__}") from error
        return found.new_sign_count


def read_signed(text: str) -> Signed:
    """Which passkey an answer to `request` comes from. Raises Unauthenticated."""
    from webauthn.helpers import parse_authentication_credential_json

    try:
        parsed = parse_authentication_credential_json(_bounded(text))
    except Exception as error:  # whatever the library finds wrong with a stranger's bytes
        raise not_proved(f"passkey: {type(error).__name__}") from error
    return Signed(parsed.raw_id, parsed.response.user_handle, text)


def _refuse_framed(client_data: bytes) -> None:
    """Refuse what was asked for within a page of another origin, which the library lets pass.

    Spec: WebAuthn Level 3, w3.org/TR/webauthn-3/#sctn-validating-origin
    """
    from webauthn.helpers import parse_client_data_json

    if parse_client_data_json(client_data).cross_origin:
        raise invalid("in a frame")


def _bounded(text: str) -> str:
    if len(text) > LARGEST:
        raise invalid("too long")
    return text
