# Crime pattern analysis. `make` lists what there is; `make run` and `make test` need Python >= 3.11, git and make.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
CONFIG ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-20s %s\n", $$1, $$2}'

# -- setting up ------------------------------------------------------------------------------------------------------

.make/python:
	@mkdir -p .make
	@for candidate in $${PYTHON:-python3} python3.13 python3.12 python3.11; do \
	  if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    command -v $$candidate > $@; exit 0; fi; done; \
	echo 'Python 3.11 or newer is needed: install it, or name it with PYTHON=/path/to/python3.' >&2; exit 1

.make/environment: .make/python requirements.txt pyproject.toml
	@echo 'Setting up the environment (once; about a minute) ...'
	@"$$(cat .make/python)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: setup
setup: .make/environment ## Set up the Python environment from the hashed lock

.PHONY: frontend
frontend: .make/environment ## Build the web page's bundle, if its sources changed
	@$(BIN)/python deployment/app/build_frontend.py

.PHONY: setup-system
setup-system: ## Install Chromium, PostgreSQL and Prometheus for the tests (root on Debian; elsewhere says so)
	@bash tools/setup_system.sh

# -- using it --------------------------------------------------------------------------------------------------------

.PHONY: run
run: frontend ## Do everything on the embedded city (or CONFIG=config/cities/chicago.yaml), then serve the page
	@$(BIN)/crimepatterns run $(if $(CONFIG),--config $(CONFIG))

# -- checking it -----------------------------------------------------------------------------------------------------

.PHONY: check
check: .make/environment ## Lint, format, types, layers: what a commit must pass
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

# Tests of one file share what its fixtures made, in their order: one worker has them all (loadfile).
.PHONY: test
test: setup-system frontend ## Set up and run every test (REQUIRE=all: a skip is a failure)
	@$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=term:skip-covered

.PHONY: test-fast
test-fast: frontend ## The tests that take under two minutes together
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not slow and not chromium'

.PHONY: test-container
test-container: frontend ## Build the image, run it without root on a read-only disk, and probe it (root on Debian; minutes)
	@tools/test_container.sh

.PHONY: test-mlflow
test-mlflow: .make/environment ## Train beside a real MLflow server and look at what arrived with MLflow's own client (minutes)
	@tools/test_mlflow.sh

.PHONY: test-infrastructure
test-infrastructure: frontend ## Check Terraform, Kubernetes, Ansible and workflows, and deploy to this machine (root on Debian; minutes)
	@tools/test_infrastructure.sh

.PHONY: bench
bench: .make/environment ## Measure speed and memory against peers, as ratios in one run (minutes)
	@for benchmark in benchmarks/[a-z]*.py; do echo "== $$benchmark"; $(BIN)/python $$benchmark; done

.PHONY: drill
drill: .make/environment ## Kill the pipeline, ingest and mornings at random moments, fill the disk, promote and soak under load (hours)
	@$(BIN)/python benchmarks/drills/kill_pipeline.py
	@$(BIN)/python benchmarks/drills/kill_ingest.py
	@$(BIN)/python benchmarks/drills/break_daily.py --kills 200 --fulls 20
	@$(BIN)/python benchmarks/drills/promotions.py
	@$(BIN)/python benchmarks/drills/soak.py --minutes 30

.PHONY: live-check
live-check: .make/environment ## Ask every known portal for ten records and check the mapped columns (needs a network)
	@$(BIN)/crimepatterns feeds check --presets

.PHONY: validate
validate: .make/environment ## Rejection rate and power of every significance test on 1,000 small cities (minutes)
	@$(BIN)/python benchmarks/validation/validate.py
	@$(BIN)/python -m pytest -n 2 -m slow tests/unit/quality/test_validation.py

.PHONY: docs
docs: .make/environment ## Build the documentation; a warning is an error
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo 'docs/_build/html/index.html'

.PHONY: lock
lock: ## Compile requirements.txt, and those of the image, from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra dev --extra cluster --extra objects --extra sql --extra tuning --universal --generate-hashes --no-annotate --no-strip-extras -q -o requirements.txt
	uv pip compile pyproject.toml --extra cluster --extra objects --extra sql --constraint requirements.txt --universal --generate-hashes --no-annotate --no-strip-extras -q -o deployment/model_server/requirements.txt
	uv pip compile deployment/tracking/requirements.in --universal --generate-hashes --no-annotate -q -o deployment/tracking/requirements.txt
	uv pip compile deployment/model_server/build-requirements.in --constraint requirements.txt --universal --generate-hashes --no-annotate -q -o deployment/model_server/build-requirements.txt

.PHONY: clean
clean: ## Remove what can be rebuilt, not your data
	rm -rf .make $(VENV) build dist docs/_build .pytest_cache .mypy_cache .ruff_cache .coverage
