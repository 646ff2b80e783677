"""What an API is: frozen data in API Gateway's own words, no I/O and no clock.

`api`, `route`, `access` and `model` hold the data classes; `freeze`, and `freeze_rest` for REST APIs, turn one API's
documents into them; `check`, with the files `check_…`, finds what is wrong with the whole, each a `finding`. May import
errors.
"""
