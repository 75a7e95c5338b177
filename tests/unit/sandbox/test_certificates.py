"""Certificates: real TLS between a server and clients that trust the same authority, and nobody else."""

import socket
import ssl
import stat
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from orchestrator.sandbox.certificates import Authority, Pair


def handshake(authority: Authority, server: Pair, client_authority: Authority, client: Pair) -> dict:
    """What the server sees of the client, over a real loopback connection. Raises what the client raises."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    context.load_verify_locations(authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    seen: dict = {}

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                with context.wrap_socket(connection, server_side=True) as tls:
                    seen.update(tls.getpeercert())
                    tls.sendall(b"!")
            except (ssl.SSLError, OSError) as error:
                seen["error"] = error

    ours = ssl.create_default_context(cafile=str(client_authority.certificate))
    ours.load_cert_chain(client.certificate, client.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            with (
                socket.create_connection(listener.getsockname(), timeout=10) as plain,
                ours.wrap_socket(plain, server_hostname="127.0.0.1") as tls,
            ):
                tls.recv(1)
        finally:
            thread.join()
    return seen


def test_a_client_is_known_by_its_user_and_group(tmp_path):
    authority = Authority(tmp_path)
    server = authority.server("server", ("localhost",), ("127.0.0.1",))
    client = authority.client("admin", "sandbox-admin", "system:masters")

    subject = dict(pair[0] for pair in handshake(authority, server, authority, client)["subject"])

    assert subject == {"commonName": "sandbox-admin", "organizationName": "system:masters"}


def test_a_server_of_another_authority_is_refused(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = Authority(tmp_path / "one"), Authority(tmp_path / "two")
    server = two.server("server", ("localhost",), ("127.0.0.1",))

    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(two, server, one, one.client("admin", "sandbox-admin"))


def test_keys_are_private_and_elliptic(tmp_path):
    authority = Authority(tmp_path)
    authority.client("admin", "sandbox-admin")
    authority.signing_key("service-accounts")

    keys = sorted(tmp_path.glob("*.key"))

    assert [key.name for key in keys] == ["admin.key", "ca.key", "service-accounts.key"]
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    certificate = x509.load_pem_x509_certificate((tmp_path / "admin.crt").read_bytes())
    assert isinstance(certificate.public_key().curve, ec.SECP256R1)


def test_existing_certificates_are_kept(tmp_path):
    """They are part of the data: users' kubeconfigs embed them."""
    before = Authority(tmp_path).client("admin", "sandbox-admin").certificate.read_bytes()

    after = Authority(tmp_path).client("admin", "sandbox-admin").certificate.read_bytes()

    assert before == after


def test_an_interrupted_pair_is_made_again(tmp_path):
    """The key is written last: a certificate without key is half of something."""
    pair = Authority(tmp_path).client("admin", "sandbox-admin")
    pair.key.unlink()

    again = Authority(tmp_path).client("admin", "someone-else")

    certificate = x509.load_pem_x509_certificate(again.certificate.read_bytes())
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "someone-else"
    assert again.key.exists()
