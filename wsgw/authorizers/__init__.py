"""Who may call: whatever checks an identity or decides on one.

`iam`, with `canonical` and `claims`, verifies SigV4 signatures; `policy`, with `principals`, `conditions` and
`patterns`, evaluates IAM policy documents without I/O and without a clock; `management` guards `@connections`. May
import observe, stores, mapping and what is below.
"""
