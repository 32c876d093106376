# stayrank: `make help` says what each target does.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test test-slow test-operations audit check format bench docs dashboards notebooks lock clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' Makefile | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

$(VENV)/bin/python:
	@for candidate in python3 python3.13 python3.12 python3.11; do \
	  if $$candidate -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then \
	    echo "making $(VENV) with $$($$candidate --version)"; exec $$candidate -m venv $(VENV); fi; done; \
	echo "stayrank needs Python 3.11, 3.12 or 3.13 with its venv module (Debian: apt install python3-venv)" >&2; exit 1

$(READY): pyproject.toml requirements.lock | $(VENV)/bin/python
	@echo "installing the locked dependencies (a few minutes the first time)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c requirements.lock -e .
	@touch $@

$(READY_DEV): pyproject.toml requirements.lock | $(VENV)/bin/python
	@echo "installing the locked dependencies, development tools included (a few minutes the first time)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c requirements.lock -e '.[dev]'
	@touch $(READY) $@

setup: $(READY)  ## make the environment in .venv from the lock

setup-dev: $(READY_DEV)  ## the same with the development tools

run: $(READY)  ## the main job on the embedded default: a simulated log, ranked and recommended
	@$(BIN)/stayrank run

test: $(READY_DEV)  ## the tests
	@$(BIN)/python -m pytest -m "not slow and not operations" -n 2 --dist loadfile

test-slow: $(READY_DEV)  ## the tests that take long
	@$(BIN)/python -m pytest -m "slow and not operations"

test-operations: $(READY_DEV)  ## crashes, outages, whole days and servers: what a scheduled run must survive
	@$(BIN)/python -m pytest -m operations

audit: $(READY_DEV)  ## the lock against known vulnerabilities (needs the network, so not part of CI)
	@$(BIN)/pip-audit --requirement requirements.lock --no-deps --disable-pip --progress-spinner off

check: $(READY_DEV)  ## format, lint, types, import rule
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(READY_DEV)  ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(READY_DEV)  ## the benchmarks at a small size (those that make their own data)
	@for file in $$(grep -l '"--small"' benchmarks/*.py | xargs grep -L 'required=True'); do \
	  echo "== $$file"; $(BIN)/python $$file --small || exit 1; done

docs: $(READY_DEV)  ## write the generated pages of docs/
	@$(BIN)/python -m features.data_dictionary > docs/data_dictionary.md

notebooks: $(READY)  ## JupyterLab on the notebooks, with this environment and data/home
	@$(BIN)/stayrank notebooks

dashboards: $(READY)  ## the MLflow and Prefect pages on this machine
	@$(BIN)/stayrank dashboards

lock: $(READY_DEV)  ## write requirements.lock anew from what is installed
	@{ sed -n '/^#/p' requirements.lock; $(BIN)/python -m pip list --format=freeze --exclude-editable \
	  | sed -E 's/\+(cpu|cu[0-9]+)$$//' | grep -vE '^(pip|setuptools|wheel)=='; } > requirements.lock.new
	@mv requirements.lock.new requirements.lock

clean:  ## remove caches and build outputs (not the environment, not data/home)
	@rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
