# Everything runs in .venv, which is built from requirements.lock and rebuilt when the lock or pyproject.toml changes.
#
#   make demo    play a rack from snapshot to delivered packets
#   make test    every test; those whose result could depend on hash order under three seeds
#   make lint    ruff: rules and format          make format  let ruff repair what it can
#   make types   mypy, strict                    make lock    renew requirements.lock
#   make clean   remove all that was made here

SUPPORTED = import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in python3.11 python3; do \
	"$$name" -c '$(SUPPORTED)' 2>/dev/null && echo "$$name" && break; done)

BIN = .venv/bin
READY = .venv/.ready
OTHER_HASH_SEEDS = 1 2

.PHONY: demo test lint format types lock clean

demo: $(READY)
	$(BIN)/rackcast demo examples/full_rack

# The full run comes last so that its summary is the last thing to read.
test: $(READY)
	@set -e; for seed in $(OTHER_HASH_SEEDS); do \
		echo "== tests marked hashseed, PYTHONHASHSEED=$$seed"; \
		PYTHONHASHSEED=$$seed $(BIN)/python -m pytest -q -m hashseed; \
	done
	@echo "== all tests, PYTHONHASHSEED=0"
	@PYTHONHASHSEED=0 $(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

format: $(READY)
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

types: $(READY)
	$(BIN)/python -m mypy

# Without the caller's pip settings: hashes of a private mirror or a local folder would fail everywhere else.
lock: $(READY)
	env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/python -m piptools compile \
		--quiet --upgrade --output-file requirements.lock pyproject.toml

$(READY): requirements.lock pyproject.toml
	@"$(PYTHON)" -c '$(SUPPORTED)' 2>/dev/null || { \
		echo "rackcast needs Python 3.11 or newer, found: $$({ "$(PYTHON)" --version || echo none; } 2>/dev/null)." \
			"Name one with: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	rm -rf .venv
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $(READY)

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
