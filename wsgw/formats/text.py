"""Plain data → YAML or JSON as people read it: templates as blocks, nothing sorted. `yaml.load` reads both."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import yaml

from wsgw.formats.yaml_values import resolved

_WIDTH = 120
# A mapping up to this long stands on one line.
_SHORT = 80
_MOST_WHOLE = 10**15
# They stand escaped: YAML, which reads JSON too, takes them for line breaks or not at all.
_CONTROL = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


class _Dumper(yaml.SafeDumper):
    """Block style, without aliases."""

    flows = False

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        # Lists stand deeper than what they belong to.
        super().increase_indent(flow, False)

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = None
        if _CONTROL.search(text):
            style = '"'
        elif "\n" in text and not any(line.endswith(" ") for line in text.split("\n")):
            style = "|"
        elif not isinstance(resolved(text), str) or text == "<<":
            # A number or boolean to `yaml.load`, if not to PyYAML.
            style = "'"
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    def represent_mapping_shortly(self, data: dict[str, Any]) -> yaml.MappingNode:
        node = self.represent_mapping("tag:yaml.org,2002:map", data.items())
        node.flow_style = not data or (self.flows and _fits(data.values(), map(len, data)))
        return node

    def represent_list_shortly(self, data: list[Any]) -> yaml.SequenceNode:
        node = self.represent_sequence("tag:yaml.org,2002:seq", data)
        node.flow_style = not data or (self.flows and _fits(data, [1] * len(data)))
        return node

    def represent_number(self, data: float) -> yaml.ScalarNode:
        is_whole = self.flows and data.is_integer() and abs(data) < _MOST_WHOLE
        return self.represent_int(int(data)) if is_whole else self.represent_float(data)


class _FlowingDumper(_Dumper):
    """Short mappings and lists on one line, whole numbers without a fraction."""

    flows = True


_Dumper.add_representer(str, _Dumper.represent_text)
_Dumper.add_representer(dict, _Dumper.represent_mapping_shortly)
_Dumper.add_representer(list, _Dumper.represent_list_shortly)
_Dumper.add_representer(float, _Dumper.represent_number)


def as_yaml(data: Any, *, short_mappings: bool = False) -> str:
    """`data` as YAML; with `short_mappings` a mapping of few short values stands on one line."""
    dumper = _FlowingDumper if short_mappings else _Dumper
    return yaml.dump(data, Dumper=dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)


def as_json(data: Any) -> str:
    """`data` as JSON, indented."""
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _fits(values: Iterable[Any], keys: Iterable[int]) -> bool:
    """Whether plain `values`, with keys of these lengths, stand on one line."""
    length = 0
    for value, key in zip(values, keys, strict=True):
        if isinstance(value, dict | list) or "\n" in str(value):
            return False
        length += key + len(str(value)) + 4
    return length <= _SHORT
