"""A certificate authority per control plane, and the certificates it signs.

P-256 keys, made in milliseconds. Existing files are kept: they are part of a sandbox's data. Keys are 0600.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from orchestrator.sandbox.private_files import write_private

_VALIDITY = datetime.timedelta(days=3650)
_CLOCK_SKEW = datetime.timedelta(minutes=5)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """The certificate authority of one control plane, kept in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._pair = self._paths("ca")
        if not self._pair.key.exists():
            self._create()
        key = serialization.load_pem_private_key(self._pair.key.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{self._pair.key} holds no elliptic-curve key")
        self._key = key
        self._certificate = x509.load_pem_x509_certificate(self._pair.certificate.read_bytes())

    @property
    def certificate(self) -> Path:
        """The authority's own certificate, which clients trust."""
        return self._pair.certificate

    def server(self, name: str, dns: tuple[str, ...], addresses: tuple[str, ...]) -> Pair:
        """A certificate that proves a server under these names."""
        names = [x509.DNSName(each) for each in dns]
        ips = [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
        san = x509.SubjectAlternativeName([*names, *ips])
        return self._issue(name, _name(name), ExtendedKeyUsageOID.SERVER_AUTH, san)

    def client(self, name: str, user: str, group: str | None = None) -> Pair:
        """A certificate that makes its bearer the Kubernetes user `user`, member of `group`."""
        return self._issue(name, _name(user, group), ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def signing_key(self, name: str) -> Path:
        """A bare private key, for service-account tokens."""
        path = self._paths(name).key
        if not path.exists():
            write_private(path, _pem(ec.generate_private_key(ec.SECP256R1())))
        return path

    def _paths(self, name: str) -> Pair:
        return Pair(self._directory / f"{name}.crt", self._directory / f"{name}.key")

    def _create(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name("orchestrator-sandbox-ca")
        certificate = (
            _builder(subject, subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(_key_usage(sign_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        write_private(self._pair.certificate, certificate.public_bytes(serialization.Encoding.PEM))
        write_private(self._pair.key, _pem(key))

    def _issue(
        self,
        name: str,
        subject: x509.Name,
        usage: x509.ObjectIdentifier,
        san: x509.SubjectAlternativeName | None,
    ) -> Pair:
        pair = self._paths(name)
        if pair.key.exists():
            return pair
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(subject, self._certificate.subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if san is not None:
            builder = builder.add_extension(san, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        # The key is written last: its presence says that the pair is complete.
        write_private(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM))
        write_private(pair.key, _pem(key))
        return pair


def _name(common_name: str, organisation: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organisation is not None:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(parts)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _VALIDITY)
    )


def _key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=sign_certificates, crl_sign=sign_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
