"""What an API is: frozen data in API Gateway's own words, no I/O and no clock.

`api`, `route`, `access` and `model` hold the data classes; `freeze` turns one API's documents into them; `check`, with
`check_integration` and `check_stage`, finds what is wrong with the whole, each a `finding`. May import errors.
"""
