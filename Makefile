# `make run` and `make test` are all that a fresh machine with Python 3.11+ and pip needs.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test test-slow test-servers lint types benchmark clean

run: .venv/run
	$(BIN)/python -m harness run experiments/quickstart.yaml

test: .venv/test lint types
	$(BIN)/python -m pytest -m "not slow and not servers"

test-slow: .venv/test
	$(BIN)/python -m pytest -m "not servers"

test-servers: .venv/servers
	$(BIN)/python -m pytest -m servers

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/test
	$(BIN)/mypy

benchmark: .venv/test
	for file in tests/benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

# Each target installs what it uses, at the tested versions; a stamp says that it is done.
.venv/run: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[quickstart]'
	touch $@

.venv/test: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[quickstart,dev]'
	touch $@ .venv/run

.venv/servers: .venv/test
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[lancedb]'
	touch $@

.venv/bin/python:
	$(PYTHON) -m venv .venv

clean:
	rm -rf .venv .cache
