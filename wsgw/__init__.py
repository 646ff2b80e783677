"""wsgw: a self-hosted gateway for Amazon API Gateway's model."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["Gateway", "__version__"]


def __getattr__(name: str) -> Any:
    # On first use: `wsgw --help` and whoever only asks for the version need not wait for all of the gateway.
    if name == "Gateway":
        from wsgw.gateway import Gateway

        return Gateway
    raise AttributeError(f"module 'wsgw' has no attribute {name!r}")
