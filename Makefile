# stayrank: `make help` says what each target does.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test test-slow test-operations audit check format bench docs dashboards notebooks notebooks-saved lock lock-image clean

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
	@$(BIN)/python -m pytest -m "slow and not operations" -n 2 --dist loadfile

test-operations: $(READY_DEV)  ## crashes, outages, whole days and servers: what a scheduled run must survive
	@$(BIN)/python -m pytest -m operations -n 2 --dist loadfile

audit: $(READY_DEV)  ## the locks against known vulnerabilities, where an index with advisories answers
	@if $(BIN)/python -c 'import urllib.request as u; u.urlopen("https://pypi.org/pypi/pip/json", timeout=20)' 2>/dev/null; then \
	  for lock in requirements.lock docker/build.lock docker/requirements.lock; do \
	    $(BIN)/pip-audit --strict --requirement $$lock --no-deps --disable-pip --progress-spinner off || exit 1; done; \
	else echo "no index with advisories answers here: nothing was audited"; fi

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

notebooks-saved: $(READY)  ## run the notebooks on data/home and save them with their outputs
	@$(BIN)/stayrank notebooks --save

dashboards: $(READY)  ## the MLflow and Prefect pages on this machine
	@$(BIN)/stayrank dashboards

lock: $(READY_DEV)  ## write requirements.lock anew from what is installed
	@{ sed -n '/^#/p' requirements.lock; $(BIN)/python -m pip list --format=freeze --exclude-editable \
	  | sed -E 's/\+(cpu|cu[0-9]+)$$//' | grep -vE '^(pip|setuptools|wheel)=='; } > requirements.lock.new
	@mv requirements.lock.new requirements.lock

lock-image: $(READY_DEV)  ## write docker/*.lock anew: the files that the image installs, by their hashes (needs the network)
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv==0.13.9
	@$(BIN)/python docker/lock_image.py

clean:  ## remove caches and build outputs (not the environment, not data/home)
	@rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
