"""Which form of OpenAPI an export has, and which extensions stand in it."""

from __future__ import annotations

from typing import Any, NamedTuple

from wsgw.definitions.finding import Path, pointer

#: What `parameters.extensions` of GetExport takes. Source: developer guide, "Export a REST API from API Gateway".
EXTENSIONS = frozenset(
    {"integrations", "authorizers", "apigateway", "documentation", "validators", "gatewayresponses", "postman"}
)
_PREFIXES = ("#/definitions/", "#/components/schemas/")


class Form(NamedTuple):
    """Swagger 2.0 or OpenAPI 3.0.1, with the extensions that are `wanted`; `apigateway` stands for all of them."""

    is_swagger: bool = False
    wanted: frozenset[str] = EXTENSIONS

    def has(self, group: str) -> bool:
        return group in self.wanted or "apigateway" in self.wanted

    def when(self, group: str, members: dict[str, Any]) -> dict[str, Any]:
        """`members` if the extensions of `group` are wanted."""
        return members if self.has(group) else {}

    @property
    def section(self) -> Path:
        """Where the schemas stand."""
        return ("definitions",) if self.is_swagger else ("components", "schemas")

    def model(self, name: str, inside: str = "") -> str:
        """The reference to the model `name`, or to the JSON pointer `inside` of it."""
        return f"#{pointer((*self.section, name))}{inside}"

    def said(self, written: dict[str, Any]) -> dict[str, Any]:
        """What a parameter or header says of its values in this form; `written` is in OpenAPI 3's."""
        if not written:
            return {"type": "string"} if self.is_swagger else {"schema": {"type": "string"}}
        made = {key: value for key, value in written.items() if not key.startswith("x-") or self.has("apigateway")}
        if self.is_swagger and isinstance(made.get("schema"), dict):
            beside = {key: one for key, one in made.items() if key in _SWAGGER or key.startswith("x-")}
            # Swagger's parameters and headers cannot refer to a schema.
            made = {**({"type": "string"} if "$ref" in made["schema"] else made["schema"]), **beside}
        elif not self.is_swagger:
            made.pop("collectionFormat", None)
        moved: dict[str, Any] = self.moved(made)
        return moved

    def moved(self, value: Any) -> Any:
        """`value` with its references to schemas as this form has them."""
        if isinstance(value, dict):
            return {
                key: self._reference(member) if key == "$ref" and isinstance(member, str) else self.moved(member)
                for key, member in value.items()
            }
        return [self.moved(member) for member in value] if isinstance(value, list) else value

    def _reference(self, reference: str) -> str:
        other = _PREFIXES[self.is_swagger]
        own = _PREFIXES[not self.is_swagger]
        return own + reference.removeprefix(other) if reference.startswith(other) else reference


_SWAGGER = frozenset({"allowEmptyValue", "collectionFormat"})
