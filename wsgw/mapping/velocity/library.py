"""All that values can do: Velocity's own types, and API Gateway's `$input` and `$util`."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from wsgw.mapping.jsonpath import compile_path
from wsgw.mapping.velocity import collections, gateway, maps, patterns, scalars, strings
from wsgw.mapping.velocity.methods import Library

LIBRARY: Final = Library(
    {
        str: strings.METHODS,
        int: scalars.INTEGER,
        float: scalars.DOUBLE,
        Decimal: scalars.DECIMAL,
        bool: scalars.BOOLEAN,
        gateway.Input: gateway.INPUT,
        gateway.Util: gateway.UTIL,
        **collections.METHODS,
        **maps.METHODS,
    },
    {str: strings.PROPERTIES, gateway.Input: gateway.INPUT_PROPERTIES, **collections.PROPERTIES, **maps.PROPERTIES},
    {
        "input.path": compile_path,
        "input.json": compile_path,
        "matches": patterns.pattern,
        "replaceAll": patterns.pattern,
        "replaceFirst": patterns.pattern,
        "split": patterns.pattern,
    },
)
