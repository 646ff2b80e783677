"""What proving APIs of every protocol shares: trying a compiler on a text, templates, models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jsonschema_rs

from wsgw.definitions.finding import Finding, Path, error
from wsgw.definitions.model import Model
from wsgw.errors import ApiConfigurationError
from wsgw.mapping.template import TemplateSyntaxError, compile_template
from wsgw.pipeline.validate import schema_check


def tried(path: Path, compiler: Callable[[Any], object], text: Any) -> Iterator[Finding]:
    """A finding at `path` if `compiler` refuses `text`, in its words."""
    try:
        compiler(text)
    except ValueError as fault:
        yield error(path, first_line(fault))
    except ApiConfigurationError as fault:
        yield error(path, fault.detail)


def prove_templates(path: Path, templates: Mapping[str, str]) -> Iterator[Finding]:
    for key, template in templates.items():
        try:
            compile_template(template or "")
        except TemplateSyntaxError as fault:
            yield error((*path, key), str(fault))


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
