"""What the operator sees of an invocation of a WebSocket API: access log, metrics, and why it failed."""

from __future__ import annotations

from wsgw.errors import BadRequestBody, GatewayError
from wsgw.invocation import Invocation
from wsgw.observe.logs import AccessLog, Reasons
from wsgw.observe.metrics import RouteMetrics


class Reports:
    """One for each node, for handshakes, messages and disconnects alike."""

    def __init__(self, access_log: AccessLog, reasons: Reasons) -> None:
        self._access_log = access_log
        self._reasons = reasons

    def log(self, invocation: Invocation) -> None:
        """Add `invocation`, which is done, to the access log, where its stage has one."""
        line = invocation.site.log_line
        if line is not None:
            self._access_log.add(line, invocation)

    def failed(self, invocation: Invocation, error: GatewayError, metrics: RouteMetrics) -> None:
        """Keep `error` with `invocation`, count it, and log why, for the operator."""
        invocation.error = error
        if error.status < 500:
            metrics.client_errors += 1
        else:
            metrics.execution_errors += 1
        # As in answers.py: the error is kept with the invocation, which its traceback's frames hold.
        error.__traceback__ = None
        # What is wrong with a message may name members that its sender made up: that is for the access log alone.
        why = error.message if isinstance(error, BadRequestBody) else error.detail or error.message
        self._reasons.say(
            f"{error.response_type}: {why}",
            api=invocation.site.api_id,
            stage=invocation.site.stage,
            route=invocation.route_key,
            connection=invocation.connection.id,
            request=invocation.request_id,
        )


def measure(invocation: Invocation, metrics: RouteMetrics) -> None:
    """Count what the integration of `invocation` has answered, and how long that took."""
    if invocation.integration_status >= 400:
        metrics.integration_errors += 1
    if invocation.request is not None:
        metrics.observe_latency(invocation.integration_latency)
