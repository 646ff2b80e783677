"""Who may call: whatever checks an identity or decides on one.

`base` has the Verifier protocol; `iam` verifies SigV4 signatures; `policy`, with `conditions` and `patterns`, evaluates
IAM policy documents without I/O and without a clock; `management` guards `@connections`. May import observe, stores,
mapping and what is below.
"""
