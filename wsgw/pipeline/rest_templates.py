"""Mapping templates of REST APIs: which one is meant, and its rendering over a payload.

A template sees the whole request, in the response as well: `$context` with the overrides written so far is one object
from the first template to the last.
Source: developer guide, "Method request behavior for payloads without mapping templates"; recorded on the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from wsgw.definitions.route import PassthroughBehavior
from wsgw.errors import ApiConfigurationError, UnsupportedMediaType
from wsgw.invocation import HttpInvocation
from wsgw.mapping.media_types import first_of
from wsgw.mapping.request_variables import request_context
from wsgw.mapping.template import Params, Scope, TemplateRuntimeError, compile_template

JSON_TYPE: Final = "application/json"
#: What Swagger documents write for a template that leaves the payload as it is.
_AS_IT_IS: Final = "__passthrough__"
_NO_PARAMS: Final = Params({}, {}, {})
#: Headers that end here, whoever sends them: templates don't see them. Recorded on the service.
_HIDDEN: Final = frozenset(
    ("connection", "content-length", "content-md5", "expect", "max-forwards", "proxy-authenticate", "server", "te")
) | {"trailer", "transfer-encoding", "upgrade", "www-authenticate"}


class RestTemplate:
    """One template. `constant` is its text where no request can change it, `encoded` the same as bytes.

    `content_type` is the key that it stands under.
    """

    __slots__ = ("_context", "_params", "_template", "constant", "content_type", "encoded")

    def __init__(self, content_type: str, source: str) -> None:
        self.content_type = content_type
        self._template = compile_template(source)
        self.constant = source if "$" not in source and "#" not in source else None
        self.encoded = None if self.constant is None else self.constant.encode("utf-8", "replace")
        # Nothing else can name them: VTL has no way to evaluate a text that it made.
        self._params = "params" in source
        self._context = "context" in source

    def render(self, invocation: HttpInvocation, payload: str) -> str:
        """The template's text over `payload`. Raises ApiConfigurationError if it fails or runs over its limits."""
        if self.constant is not None:
            return self.constant
        params = _params(invocation) if self._params else _NO_PARAMS
        context = request_context(invocation) if self._context else {}
        try:
            return self._template.render(Scope(payload, params, context, invocation.site.stage_variables))
        except TemplateRuntimeError as error:
            raise ApiConfigurationError(detail=f"template: {error}") from error


def _params(invocation: HttpInvocation) -> Params:
    headers = {name: value for name, value in invocation.headers if name.lower() not in _HIDDEN}
    return Params(dict(invocation.path_parameters), dict(invocation.query), headers)


def _compiled(sources: Mapping[str, str]) -> dict[str, RestTemplate]:
    return {
        key.strip().lower(): RestTemplate(key, source)
        for key, source in sources.items()
        if source is not None and source != _AS_IT_IS
    }


class RequestTemplates:
    """The request templates of an integration, by content type, and what happens when none is meant."""

    __slots__ = ("_by_type", "_fallback", "_refuse")

    def __init__(self, sources: Mapping[str, str], passthrough: PassthroughBehavior) -> None:
        self._by_type = _compiled(sources)
        self._fallback = self._by_type.get("$default")
        self._refuse = passthrough == "NEVER" or (passthrough == "WHEN_NO_TEMPLATES" and bool(self._by_type))

    def chosen(self, invocation: HttpInvocation) -> RestTemplate | None:
        """The template for the request's Content-Type; None: the body passes. Raises UnsupportedMediaType."""
        kind = first_of(invocation.fields.first("content-type")) or JSON_TYPE
        template = self._by_type.get(kind, self._fallback)
        if template is None and self._refuse:
            raise UnsupportedMediaType(
                detail="there is no request template for the Content-Type, and bodies may not pass"
            )
        return template


class ResponseTemplates:
    """The response templates of an integration response, by content type."""

    __slots__ = ("_by_type", "_fallback")

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._by_type = _compiled(sources)
        first = next(iter(self._by_type.values()), None)
        self._fallback = self._by_type.get(JSON_TYPE, first)

    def chosen(self, invocation: HttpInvocation) -> RestTemplate | None:
        """The template for the first media type that the client accepts, else JSON's, else the first one."""
        if not self._by_type:
            return None
        return self._by_type.get(first_of(invocation.fields.first("accept")) or JSON_TYPE, self._fallback)
