"""Signatures over evidence: DSSE envelopes by keys of the user.

It refuses keys that it cannot name (Ed25519, ECDSA on a NIST curve, RSA of 2048 bits or more), and makes none. A key is
named by the SHA-256 of its public half (SubjectPublicKeyInfo, DER), so that anybody can compute the name.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.core.objects import JsonObject
from orchestrator.errors import UsageError

PAYLOAD_TYPE: Final = "application/vnd.orchestrator.evidence.v1+json"
_HINT: Final = "`openssl genpkey -algorithm ed25519 -out evidence.key` makes one"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The half of a key that checks."""

    der: bytes
    """SubjectPublicKeyInfo."""

    @property
    def keyid(self) -> str:
        """SHA-256 of it."""
        return hashlib.sha256(self.der).hexdigest()

    def to_document(self) -> JsonObject:
        """As a bundle's header names it."""
        return {"keyid": self.keyid, "publicKey": base64.b64encode(self.der).decode("ascii")}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A user's private key; its content is never shown."""

    private: Any
    public: PublicKey

    def __repr__(self) -> str:
        return f"SigningKey({self.public.keyid})"


def load_signing_key(pem: bytes, password: bytes | None = None) -> SigningKey:
    """A private key in PEM (PKCS#8 or traditional). Raises UsageError; of code `key-encrypted` when it asks for one."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(pem, password)
    except TypeError as error:
        raise UsageError(
            "the key is encrypted", code="key-encrypted", hint="its password is asked for at a terminal"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError("this is no private key in PEM, or its password is wrong", hint=_HINT) from error
    key = SigningKey(private, PublicKey(_der_of(private.public_key())))
    _checker(key.public)
    return key


def load_public_key(pem: bytes) -> PublicKey:
    """A public key in PEM. Raises UsageError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        public = PublicKey(_der_of(load_pem_public_key(pem)))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(
            "this is no public key in PEM",
            hint="`openssl pkey -in evidence.key -pubout` prints the one of a private key",
        ) from error
    _checker(public)
    return public


def read_public_key(document: object) -> PublicKey:
    """A key as a bundle's header names it; raises ValueError when that is not exactly how we name one."""
    if not isinstance(document, dict) or not isinstance(document.get("publicKey"), str):
        raise ValueError("the signer is not named as it should be")
    key = PublicKey(base64.b64decode(document["publicKey"], validate=True))
    if document != key.to_document():
        raise ValueError("the signer is not named as it should be")
    return key


def envelope_of(payload: bytes, key: SigningKey | None) -> JsonObject:
    """The DSSE envelope around a payload; without a key it has no signature."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # exported without saying so

    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    if key is not None:
        envelope.sign(CryptoSigner(key.private, _checker(key.public)))
    document: JsonObject = envelope.to_dict()
    return document


def check_envelope(document: JsonObject, payload: bytes, key: PublicKey | None) -> None:
    """Raise ValueError unless it is our envelope around this payload, signed by this key, or unsigned without one.

    Base64 has more than one spelling, and a key's name is not signed: so all but the signature is compared whole.
    """
    unsigned = envelope_of(payload, None)
    if key is None:
        if document != unsigned:
            raise ValueError("the envelope is not that of the last record, unsigned")
        return
    signatures = document.get("signatures")
    if {**document, "signatures": []} != unsigned or not isinstance(signatures, list) or len(signatures) != 1:
        raise ValueError("the envelope is not that of the last record, signed once")
    signature = signatures[0]
    if not isinstance(signature, dict) or set(signature) != {"keyid", "sig"} or signature["keyid"] != key.keyid:
        raise ValueError("the signature is not that of the key which the header names")
    _check_signature(document, signature["sig"], key)


def _check_signature(document: JsonObject, text: object, key: PublicKey) -> None:
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError

    if not isinstance(text, str) or base64.b64encode(base64.b64decode(text, validate=True)).decode("ascii") != text:
        raise ValueError("the signature is not in base64 as it should be")
    # The library turns what it is given into another form, in place.
    copy = {**document, "signatures": [dict(one) for one in document["signatures"]]}
    try:
        Envelope.from_dict(copy).verify([_checker(key)], 1)
    except (VerificationError, UsageError) as error:
        raise ValueError("the signature does not fit the last record") from error


def _checker(public: PublicKey) -> Any:
    """The library's form of a key. Raises UsageError for a kind of key that is not supported."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_der_public_key
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]  # exported without saying so

    try:
        key = load_der_public_key(public.der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError("this key cannot be read", hint=_HINT) from error
    curves = ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1
    fits = (
        isinstance(key, ed25519.Ed25519PublicKey)
        or (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, curves))
        or (isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048)
    )
    if not fits:
        raise UsageError("evidence is signed with Ed25519, ECDSA (P-256, P-384, P-521) or RSA of 2048 bits", hint=_HINT)
    return SSlibKey.from_crypto(key, keyid=public.keyid)


def _der_of(public: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der
