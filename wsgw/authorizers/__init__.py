"""Who may call: whatever checks an identity or decides on one.

`iam`, with `canonical` and `claims`, verifies SigV4 signatures, `iam_verifier` those of routes; `policy`, with
`principals`, `conditions` and `patterns`, evaluates IAM policy documents without I/O and without a clock, by the
`facts` of a request; `management` guards `@connections`. `lambda_verifier` asks functions, whose answers `results`
reads and `results_cache` keeps. `jwt` and `cognito` know callers by tokens: read by `jwt_token`, verified by
`jwt_signed` with keys of `jwks` that `jwks_source` fetches, their claims looked at by `jwt_claims`. `key_ring` has the
API keys, `usage_counts` what they have used, `revoked` who is refused nevertheless. `access` has what a node knows of
all this beside its deployments. May import observe, stores, mapping and what is below.
"""
