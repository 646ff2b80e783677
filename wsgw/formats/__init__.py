"""Definition files in: `parse` takes a file's bytes and gives documents in API Gateway's own shapes, and findings.

`yaml` reads texts with the line of every value, `native` and `native_schema` know the native format. Pure: nothing here
opens a file or reads the environment. May import definitions and errors.
"""
