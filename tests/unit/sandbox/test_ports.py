"""Ports: free, different, and new ones for every start."""

import socket

from orchestrator.sandbox.ports import free_ports


def test_ports_are_different_and_free():
    ports = free_ports(20)

    assert len(set(ports)) == 20
    for port in ports:
        with socket.socket() as server:
            server.bind(("127.0.0.1", port))


def test_a_port_in_use_is_never_chosen():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        assert server.getsockname()[1] not in free_ports(200)
