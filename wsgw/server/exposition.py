"""The expositions of several workers → one, each sample with the label of its worker.

Text to text: nothing is parsed that need not be.
"""

from __future__ import annotations

from collections.abc import Mapping


def merged(expositions: Mapping[int, str], label: str = "worker") -> str:
    """One exposition in Prometheus's text format: every family once, its samples labelled with the mapping's keys."""
    heads: dict[str, list[str]] = {}  # family: its HELP and TYPE
    samples: dict[str, list[str]] = {}
    for key, text in expositions.items():
        family = ""
        added = f'{label}="{key}"'
        for line in text.splitlines():
            if line.startswith("# "):
                words = line.split(" ", 3)
                family = words[2] if len(words) > 2 else ""
                head = heads.setdefault(family, [])
                if not any(one.startswith(f"# {words[1]} ") for one in head):
                    head.append(line)
            elif line:
                samples.setdefault(family, []).append(_labelled(line, added))
    lines = [line for family, head in heads.items() for line in (*head, *samples.get(family, ()))]
    return "".join(f"{line}\n" for line in lines)


def _labelled(sample: str, added: str) -> str:
    # A name has neither a brace nor a blank: what comes first ends it.
    brace, blank = sample.find("{"), sample.find(" ")
    if 0 <= brace < blank:
        return f"{sample[: brace + 1]}{added},{sample[brace + 1 :]}"
    return f"{sample[:blank]}{{{added}}}{sample[blank:]}"


def family(name: str, kind: str, doc: str, samples: Mapping[str, float]) -> str:
    """A family of the supervisor's own; `samples` by their labels, written as in the format, "" for none."""
    lines = [f"# HELP {name} {doc}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{{{labels}}} {value}" if labels else f"{name} {value}" for labels, value in samples.items()]
    return "".join(f"{line}\n" for line in lines)
