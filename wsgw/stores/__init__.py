"""What nodes share and what survives them, behind small protocols: `base` has these, `records` what they keep.

`chosen` picks by the settings: `memory*` serves one process, `sqlite/` one that survives in a directory, `redis/` many.
`document_store` picks for a command that stores something and ends. Nobody else names a concrete store. May import
definitions, errors and what is below.
"""
