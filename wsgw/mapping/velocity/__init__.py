"""The Velocity Template Language, version 1.7, as API Gateway speaks it.

`parser` turns a template into `nodes`, `compiler` turns those into closures, which run in a `frame`. What values can do
stands in tables (`methods`, `strings`, `collections`), one per Java type that a value has: a name in a template is
only ever looked up there, never on a Python object. No I/O and no clock: what bounds a render is counted, not timed.
"""
