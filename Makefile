# SPDX-License-Identifier: Apache-2.0
# Every target sets up what it needs; the second time it is quick.
# Another Python: make PYTHON=/path/to/python3 ... ; arguments for the program: make test ARGS="-k writer"

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
PYTHON ?=
ARGS ?=
# Tests wait for servers more than they compute: more processes than cores.
PROCESSES ?= 4
MINUTES ?= 5
SEED ?= 1
SAY_PYTHON := Drukte needs Python 3.11, 3.12 or 3.13. Install one (Debian, Ubuntu: apt-get install python3 \
	python3-venv) or name it: make PYTHON=/path/to/python3
SAY_VENV := has no venv module. Install it (Debian, Ubuntu: apt-get install python3-venv) and try again

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test lint bench chaos truth services

help: ## Show this list
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.runtime ## Run the demo on this machine alone (ARGS="--help" tells its options)
	@$(BIN)/drukte demo $(ARGS)

# What the tests and the programs that they start are compiled to is kept, also where the surroundings say otherwise.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/.dev services ## Run the tests, with real Kafka and TimescaleDB where they can be installed
	@$(BIN)/python -m pytest --numprocesses $(PROCESSES) $(ARGS)

lint: $(VENV)/.dev ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/mypy --num-workers 2
	@$(BIN)/drukte dashboards build --check

bench: $(VENV)/.dev services ## Measure again every figure of docs/benchmarks.md (ARGS="worker" for one part)
	@$(BIN)/python -m benchmarks --record $(ARGS)

truth: $(VENV)/.dev ## Hold estimates, alerts and forecasts against known truth (docs/truth.md)
	@$(BIN)/python -m benchmarks.truth $(if $(ARGS),$(ARGS),--record)

chaos: $(VENV)/.dev services ## Kill and freeze the chain at random, then compare (MINUTES=5 SEED=1)
	@$(BIN)/python -m tests.chaos --minutes $(MINUTES) --seed $(SEED) $(ARGS)

services: $(VENV)/.dev ## Install the services of the tests beside the project (in .services)
	@$(BIN)/python -m tests.services.install

$(VENV)/.runtime: pyproject.toml constraints.txt
	@$(MAKE_VENV)
	@echo "installing Drukte's dependencies into $(VENV)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	@$(MAKE_VENV)
	@echo "installing Drukte's dependencies and tools into $(VENV)"
	@$(PIP) --editable '.[dev]'
	@touch $(VENV)/.runtime $@

# A fitting Python, then a virtual environment that works; one that was left half made is made anew.
define MAKE_VENV
$(BIN)/python -m pip --version >/dev/null 2>&1 && exit 0; \
for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
		&& found="$$python" && break; \
done; \
if [ -z "$$found" ]; then echo "$(SAY_PYTHON)" >&2; exit 1; fi; \
"$$found" -c 'import ensurepip, venv' 2>/dev/null || { echo "$$found $(SAY_VENV)" >&2; exit 1; }; \
"$$found" -m venv --clear $(VENV)
endef
