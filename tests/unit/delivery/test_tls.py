"""TLS contexts: as strict as Go's, shared where they are the same, and no key left on disk."""

from __future__ import annotations

import errno
import os
import ssl
import tempfile
from pathlib import Path

import pytest

from orchestrator.delivery.entries import ClientCertificate, Server
from orchestrator.delivery.tls import TlsContexts
from orchestrator.errors import Unauthenticated, Unreachable
from tests.faults.certificates import Authority

AUTHORITY = Authority()
PAIR = AUTHORITY.issue("tester")
CLIENT = ClientCertificate(PAIR.certificate, PAIR.key)


def server(authorities: bytes | None = AUTHORITY.pem, *, insecure: bool = False) -> Server:
    return Server(url="https://one.example", authorities=authorities, insecure=insecure)


def test_verifies_certificate_and_name() -> None:
    """Nothing but the named authority is trusted, and the name must fit; the common name does not count."""
    context = TlsContexts().context(server())
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.cert_store_stats()["x509"] == 1
    assert not context.hostname_checks_common_name
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_old_authorities_are_accepted_and_verified() -> None:
    """Only the check of form is off that Python 3.13 adds."""
    context = TlsContexts().context(server())
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN


def test_insecure_only_when_the_kubeconfig_says_so() -> None:
    context = TlsContexts().context(server(None, insecure=True))
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_contexts_are_shared_and_told_apart() -> None:
    """Same trust and certificate, same context; a difference in any of them, another."""
    contexts = TlsContexts()
    other = ClientCertificate(PAIR.certificate, AUTHORITY.issue("other").key)
    assert contexts.context(server(), CLIENT) is contexts.context(server(), CLIENT)
    made = {
        id(contexts.context(server())),
        id(contexts.context(server(), CLIENT)),
        id(contexts.context(server(Authority().pem))),
    }
    assert len(made) == 3
    with pytest.raises(Unauthenticated):
        contexts.context(server(), other)


def test_no_key_stays_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither after loading a good key nor after a bad one."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    TlsContexts().context(server(), CLIENT)
    with pytest.raises(Unauthenticated):
        TlsContexts().context(server(), ClientCertificate(b"no", b"pem"))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_us_from_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key passes through memory: a takedown must reach its clusters when nothing can be written."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    assert TlsContexts().context(server(), CLIENT).cert_store_stats()["x509"] == 1


def test_without_files_in_memory_a_private_file_does_and_is_gone_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(name: str) -> int:
        raise OSError(errno.ENOSYS, "not here")

    monkeypatch.setattr(os, "memfd_create", forbidden)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    TlsContexts().context(server(), CLIENT)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(Unauthenticated, match="cannot be loaded"):
        TlsContexts().context(server(), CLIENT)


def test_encrypted_key_is_an_error_and_not_a_question() -> None:
    """OpenSSL would ask the terminal for the password."""
    pair = AUTHORITY.issue("tester", password=b"secret")
    with pytest.raises(Unauthenticated):
        TlsContexts().context(server(), ClientCertificate(pair.certificate, pair.key))


@pytest.mark.parametrize("authorities", [b"no pem", b"", b"\xff\xfe", PAIR.key])
def test_unusable_authority(authorities: bytes) -> None:
    with pytest.raises(Unreachable) as caught:
        TlsContexts().context(server(authorities))
    assert caught.value.code == "certificate"
