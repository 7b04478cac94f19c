"""Certificates of a moment's life, for servers that tests talk to over TLS, and for who talks to ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def self_signed(directory: Path, name: str, *, address: str | None = None) -> Path:
    """A file with a certificate for a host `name`, and an `address`, that signs itself, and with its key."""
    return Authority.made(directory, name, address=address).file


@dataclass(frozen=True)
class Authority:
    """Who signs certificates. `file` holds its own, and its key."""

    file: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def made(cls, directory: Path, name: str, *, address: str | None = None) -> Authority:
        """A new one, which signs itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        unsigned = _unsigned(name, name, key, address)
        made = unsigned.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(
            key, hashes.SHA256()
        )
        return cls(_written(directory / f"{name}.pem", made, key), made, key)

    def issue(self, directory: Path, name: str, *, address: str | None = None) -> Path:
        """A file with a certificate for `name` that this authority signs, and with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = str(self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
        made = _unsigned(name, issuer, key, address).sign(self.key, hashes.SHA256())
        return _written(directory / f"{name}.pem", made, key)


def _unsigned(name: str, issuer: str, key: ec.EllipticCurvePrivateKey, address: str | None) -> x509.CertificateBuilder:
    alternatives: list[x509.GeneralName] = [x509.DNSName(name)]
    if address is not None:
        alternatives.append(x509.IPAddress(ip_address(address)))
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _written(file: Path, made: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Path:
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return file
