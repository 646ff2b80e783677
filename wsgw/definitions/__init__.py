"""What an API is: frozen data in API Gateway's own words, no I/O and no clock.

`api`, `route`, `access` and `model` hold the data classes; `freeze` turns one API's documents into them, `check` finds
what is wrong with the whole. Imports nothing above `errors`.
"""
