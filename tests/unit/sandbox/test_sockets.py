"""etcd's Unix socket is reached however long the path of the sandbox is."""

import socket

from orchestrator.sandbox.preload import accepts, connected, preload


def test_a_socket_far_beyond_the_longest_address_is_reached(tmp_path, monkeypatch):
    folder = tmp_path / ("x" * 100) / ("y" * 100)
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind("etcd.sock")
        server.listen()

        with connected(folder / "etcd.sock") as ours:
            theirs, _ = server.accept()
            with theirs:
                ours.sendall(b"hello")
                assert theirs.recv(5) == b"hello"


def test_a_socket_that_nobody_listens_on_does_not_accept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind("etcd.sock")

    assert not accepts(tmp_path / "etcd.sock")
    assert not accepts(tmp_path / "missing.sock")


def test_damaged_definitions_are_dropped_not_an_obstacle(tmp_path):
    """They are only a cache: the next start installs and keeps them anew."""
    kept = tmp_path / "kept.json"
    kept.write_text('[{"metadata": ')

    preload(tmp_path / "etcd.sock", kept)

    assert not kept.exists()
