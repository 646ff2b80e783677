"""The sockets of the worker slots: the same addresses for all, and nobody else's."""

from __future__ import annotations

import socket

import pytest

from wsgw.server.sockets import DataAddresses, close
from wsgw.settings import load


def test_every_slot_gets_a_socket_of_its_own_at_the_same_addresses():
    addresses = DataAddresses(load({"port": 0, "listen": "http://127.0.0.1:0,http://127.0.0.1:0"}).settings)
    slots = [addresses.sockets() for _ in range(3)]
    try:
        names = [[[one.getsockname() for one in group] for group in slot] for slot in slots]
        assert names[0] == names[1] == names[2]
        assert len({name for group in names[0] for name in group}) == 3
    finally:
        for slot in slots:
            close(slot)


def test_nothing_is_accepted_before_a_worker_listens():
    addresses = DataAddresses(load({"port": 0}).settings)
    (group,) = addresses.sockets()
    try:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(group[0].getsockname())
    finally:
        close([group])


@pytest.mark.parametrize("option", ["port", "listen"])
def test_a_port_that_another_server_shares_willingly_is_taken_all_the_same(option: str):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        given = {"port": port} if option == "port" else {"port": 0, "listen": f"http://127.0.0.1:{port}"}
        with pytest.raises(OSError, match=f"port {port} of 127.0.0.1 is taken: choose another with --{option}, 0 for"):
            DataAddresses(load(given).settings)
