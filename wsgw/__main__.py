"""`python -m wsgw` is `wsgw`."""

from wsgw.cli.main import main

main(prog_name="wsgw")
