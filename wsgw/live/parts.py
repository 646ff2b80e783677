"""What a stage is built with: the pools, stores and functions that its steps are bound to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wsgw.authorizers.access import Access
from wsgw.integrations.aws_services import AwsServices
from wsgw.integrations.handler_context import Connections, Handler
from wsgw.integrations.http_pool import HttpPool
from wsgw.integrations.lambda_ import LambdaClients
from wsgw.integrations.local import load_handler
from wsgw.observe.metrics import Metrics
from wsgw.settings import Settings
from wsgw.stores.base import Throttle


@dataclass(frozen=True, slots=True)
class Parts:
    """What a stage is built with.

    `base`: the directory that Python handlers are looked for in; `handlers`: functions by their integration's uri.
    """

    settings: Settings
    buckets: Throttle
    metrics: Metrics
    http_pool: HttpPool
    lambda_clients: LambdaClients
    aws: AwsServices
    connections: Connections
    access: Access
    base: Path
    handlers: Mapping[str, Handler]

    def functions(self, uri: str) -> LambdaClients:
        """What calls the Lambda function `uri`; making that ready has begun, so that no request pays for it."""
        self.lambda_clients.look(uri)
        return self.lambda_clients

    def handler(self, uri: str) -> Handler:
        """The Python function that an integration with this `uri` calls. Raises ValueError and ImportError."""
        return self.handlers.get(uri) or load_handler(uri, self.base)
