"""What proving APIs of every protocol shares: trying a compiler on a text, templates, models."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jsonschema_rs

from wsgw.definitions.finding import Finding, Path, error
from wsgw.definitions.model import Model
from wsgw.definitions.route import Integration
from wsgw.errors import ApiConfigurationError
from wsgw.integrations.http_wire import address
from wsgw.mapping.template import compile_template
from wsgw.pipeline.validate import schema_check

# With something in it that may be a host: what has none is `definitions/check`'s to say.
_URL = re.compile(r"(https?://[^\s/?#]+)(.*)", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\{[A-Za-z0-9._$-]+\+?\}")


def tried(path: Path, compiler: Callable[[Any], object], text: Any) -> Iterator[Finding]:
    """A finding at `path` if `compiler` refuses `text`, in its words."""
    try:
        compiler(text)
    except ValueError as fault:
        yield error(path, first_line(fault))
    except ApiConfigurationError as fault:
        yield error(path, fault.detail)


def prove_url(path: Path, integration: Integration) -> Iterator[Finding]:
    """A finding at `path` if `integration` has a URL that no request can be sent to, whatever its variables are."""
    url = _URL.fullmatch(integration.uri) if integration.type in ("HTTP", "HTTP_PROXY") else None
    if url is not None and "${" not in integration.uri:
        yield from tried(path, address, url[1] + _PLACEHOLDER.sub("name", url[2]))


def prove_templates(path: Path, templates: Mapping[str, str]) -> Iterator[Finding]:
    for key, template in templates.items():
        yield from tried((*path, key), compile_template, template or "")


def prove_models(path: Path, models: Mapping[str, Model]) -> Iterator[Finding]:
    """A finding for each of `models`, at `path`, whose schema cannot be made a check.

    A model stands in the schemas of all that need it: where one of these is sound, so is the model. Proving hundreds
    that refer to each other one by one would take minutes.
    """
    sound: set[str] = set()
    parts = {name: _definitions(model) for name, model in models.items()}
    for name in sorted(models, key=lambda name: -len(parts[name])):
        if name in sound:
            continue
        faults = list(prove_model((*path, name, "schema"), models[name]))
        yield from faults
        if not faults:
            # The very object: a schema may have a part that is only called like a model.
            sound |= {
                other for other in models if other in parts[name] and parts[name][other] is parts[other].get(other)
            }


def _definitions(model: Model) -> dict[str, Any]:
    definitions = model.schema.get("definitions")
    return definitions if isinstance(definitions, dict) else {}


def prove_model(path: Path, model: Model) -> Iterator[Finding]:
    try:
        schema_check(model)
    except jsonschema_rs.ValidationError as fault:
        yield error((*path, *fault.instance_path), f"not a JSON schema of draft 4: {fault.message}")
    except jsonschema_rs.ReferencingError as fault:
        yield error(path, f"not a JSON schema of draft 4: {first_line(fault)}")
    except ValueError as fault:
        # What the two above are too, and whatever else the library does not take.
        yield error(path, f"not a schema that can be checked: {first_line(fault)}")


def first_line(fault: Exception) -> str:
    return str(fault).partition("\n")[0]
