"""Definition files in: `parse` takes a file's bytes and gives documents in API Gateway's own shapes, and findings.

`yaml` reads texts with the line of every value, `native…` know the native format, `openapi…` OpenAPI and Swagger
documents (`openapi.import_openapi`; `openapi_merge.merge` puts what was imported into an API that exists). The other
way: `openapi_writer.export_openapi`, `native_writer.native_file`, and `text` writes what they give. Pure:
nothing here opens a file or reads the environment. May import definitions and errors.
"""
