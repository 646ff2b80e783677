"""API Gateway's expression languages, each compiled once when an API is deployed and run per invocation.

`jsonpath` reads JSON, `selection` picks route, template, model and response keys, `parameters` maps request parameters,
`variables` and `log_format` know `$context`, `template` renders mapping templates. No I/O and no clock: times come with
the invocation. May import what is below it: formats, invocation, definitions, errors, ids.
"""
