# The table of contents of this project's commands. Each makes what it needs first, from a bare clone.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# The newest Python that is there and works, 3.11 or later; `make PYTHON=/path/to/python3 …` for another.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && { echo $$python; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
# Tests take long to wait rather than to compute: more workers than cores pay. Those with clusters are one after the other.
WORKERS ?= 4

.PHONY: help run cluster test coverage check lint types imports bench soak clean lock

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

run: $(BIN)/.installed ## Serve the chat example; prints its address
	@exec $(BIN)/wsgw demo $(ARGS)

cluster: $(BIN)/.installed ## The chat over two nodes and one Redis; prints a page for each node
	@exec $(BIN)/python deploy/cluster.py $(ARGS)

test: $(BIN)/.installed-dev system ## Run every test
	@WSGW_TEST_SLOWER=3 $(BIN)/pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder $(ARGS)

coverage: $(BIN)/.installed-dev system ## Run every test, and say which lines none of them runs; half as long again
	@$(BIN)/pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder --cov --cov-report=term:skip-covered $(ARGS)

soak: $(BIN)/.installed-dev system ## Run the long tests with faults: minutes each, one after the other
	@$(BIN)/pytest -m soak --timeout 1800 $(ARGS)

check: lint types imports ## What CI runs: format, lint, types, import contract, tests
	@$(MAKE) --no-print-directory test

lint: $(BIN)/.installed-dev
	@$(BIN)/ruff format --check -q . || { echo "run: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/ruff check -q .

types: $(BIN)/.installed-dev
	@$(BIN)/mypy

imports: $(BIN)/.installed-dev
	@$(BIN)/lint-imports --no-cache | tail -n 4

bench: $(BIN)/.installed-dev ## Run the benchmarks (long; leave the machine alone meanwhile)
	@$(BIN)/python loadtest/bench.py $(ARGS)
	@$(BIN)/python loadtest/cluster.py
	@$(BIN)/python loadtest/http_proxy.py

lock: $(BIN)/.installed-dev ## Write the lock files anew from pyproject.toml
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml -o requirements/run.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --group dev pyproject.toml -o requirements/dev.lock

clean: ## Remove what the other commands made
	rm -rf $(VENV) .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist tests/sdk/node_modules

# ---- set-up

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "wsgw needs Python 3.11, 3.12 or 3.13; none was found. On Debian or Ubuntu: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python venv is missing. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }

$(BIN)/.installed: $(BIN)/python requirements/run.lock pyproject.toml
	@echo "installing into $(VENV) …"
	@test -e $(BIN)/.installed-dev || $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/run.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(BIN)/.installed-dev: $(BIN)/python requirements/dev.lock requirements/autobahn.txt pyproject.toml
	@echo "installing what the tests need into $(VENV) …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/autobahn.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@ $(BIN)/.installed

.PHONY: system
system:
	@tests/install-system-packages
