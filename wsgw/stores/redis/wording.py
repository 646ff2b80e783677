"""What is wrong with a Redis, in words for whoever runs the gateway. None shows a password."""

from __future__ import annotations

import re

from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from wsgw.errors import StoreUnavailable


def in_words(error: BaseException, where: object) -> str:
    """What is wrong with a Redis, and the remedy, for whoever runs the gateway."""
    # redis-py's "Error 111 connecting to 127.0.0.1:6379." says again what stands before it.
    text = re.sub(r"^Error -?\d+ connecting to \S+\. ", "", str(error)) or type(error).__name__
    if isinstance(error, StoreUnavailable):
        return in_words(error.__cause__, where) if isinstance(error.__cause__, NoPermissionError) else text
    if isinstance(error, TimeoutError | RedisTimeoutError):
        return f"Redis at {where} does not answer in time"
    if isinstance(error, NoPermissionError):
        return f"Redis at {where} refuses (NOPERM): {text}; the user of the setting redis needs this in its ACL"
    if isinstance(error, AuthenticationError) and "must be called with the client already auth" in text:
        return (
            f"Redis at {where} refuses the login: it wants a password. Check user and password (setting redis_password)"
        )
    if isinstance(error, AuthenticationError):
        return f"Redis at {where} refuses the login: {text} Check user and password (setting redis_password)"
    if "certificate" in text.lower() or "ssl" in text.lower():
        return f"TLS with Redis at {where} fails: {text} Check redis_ca, the host name, and that it speaks TLS"
    if isinstance(error, RedisConnectionError) and ("closed" in text or "reset" in text):
        return f"Redis at {where} closed the connection: was it stopped, or does it speak TLS (rediss://)?"
    if isinstance(error, ResponseError):
        return f"Redis at {where} refuses: {text}"
    return f"Redis at {where} cannot be reached: {text} Is it running, and is the address right?"
