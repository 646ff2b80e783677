"""Write the settings of the gateway into the chart's values.schema.json: `python deploy/helm/schema.py`.

Each setting with its type, bounds and line of documentation, except those that the chart decides itself.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from wsgw.settings import Settings

SCHEMA = Path(__file__).with_name("wsgw") / "values.schema.json"
#: What the chart puts into the settings file or the environment, or what makes no sense in a pod.
DECIDED = {
    *("host", "port", "control_host", "control_port", "listen", "insecure"),
    *("tls_cert", "tls_key", "tls_certificates"),
    *("redis", "redis_password", "redis_ca", "cluster_secret", "management_tokens", "data"),
}


def settings_schema() -> dict[str, Any]:
    """The schema of the value `settings`."""
    hints = get_type_hints(Settings, include_extras=True)
    properties = {}
    for field in msgspec.structs.fields(Settings):
        if field.name in DECIDED:
            continue
        kind, meta = get_args(hints[field.name])[:2]
        one = msgspec.json.schema(kind) if not str(kind).startswith("tuple") else _STRINGS
        bounds = {"minimum": meta.ge, "exclusiveMinimum": meta.gt, "maximum": meta.le, "pattern": meta.pattern}
        unit = meta.extra["unit"]
        properties[field.name] = {
            "description": meta.description + (f" ({unit})" if unit else ""),
            **one,
            **{name: bound for name, bound in bounds.items() if bound is not None},
        }
    return {"type": "object", "additionalProperties": False, "properties": properties}


_STRINGS = {"type": "array", "items": {"type": "string"}}


def main() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    schema["properties"]["settings"] = settings_schema()
    SCHEMA.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
