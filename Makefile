# Needs Python >= 3.11 and make. `make benchmark` regenerates the tables and figures, `make test` runs the tests;
# each sets up .venv from the lock files first, once.
PYTHON ?= python3
BIN := .venv/bin
# Tests that share a run of the whole workflow go to one of the two processes, see tests/conftest.py.
PARALLEL := -n 2

.PHONY: benchmark verify test test-slow test-slurm lint format audit
benchmark: .venv/installed
	$(BIN)/snakemake --cores all

# Ends with an error where scores differ from those of the committed run; see docs/reproduce.md.
verify: benchmark
	$(BIN)/python -m rssr compare results/reference/default results --trained-tolerance 0.2

test: .venv/installed
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

test-slurm: .venv/installed
	RSSR_SLURM=1 $(BIN)/python -m pytest tests/test_cluster.py

test-slow: .venv/installed
	$(BIN)/python -m pytest $(PARALLEL) -m slow

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakefmt Snakefile workflow

# Licences of the locked packages, and known vulnerabilities where there is a network.
audit: .venv/installed
	$(BIN)/python benchmarks/supply.py

# The mark is written last, so that an interrupted installation is repeated.
.venv/installed: requirements.lock requirements-source.lock
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 13) else "Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + ": run make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -r requirements-source.lock
	touch $@
