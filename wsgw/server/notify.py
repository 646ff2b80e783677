"""Telling a service manager how it stands: the protocol of sd_notify(3), which needs no library.

systemd sets NOTIFY_SOCKET for a unit with `Type=notify`; where it is not set, nothing is sent.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import MutableMapping

log = logging.getLogger("wsgw")

READY, STOPPING = "READY=1", "STOPPING=1"


def notify(*states: str, environment: MutableMapping[str, str] = os.environ) -> bool:
    """Send `states`, such as READY; gives whether they were sent. A manager that does not listen is logged, no more.

    A name that begins with @ is an abstract socket.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            # Rather a state unsaid than a loop that waits for the manager.
            sender.setblocking(False)
            sender.connect("\0" + address[1:] if address[0] == "@" else address)
            sender.send("\n".join(states).encode())
    except OSError as error:
        log.warning("the service manager could not be told %s: %s", " ".join(states), error.strerror or error)
        return False
    return True
