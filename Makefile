# Two commands for everybody: `make demo` and `make test`. Each sets up .venv by itself.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.set-up
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(or $(JOBS),2)
SLURM  := $(shell command -v sbatch 2>/dev/null)
BROWSER := $(shell command -v chromium || command -v chromium-browser)

.PHONY: demo test test-all test-system test-gpu lint types bench docs docs-check clean

demo: $(STAMP)
	$(BIN)/hps demo

test: $(STAMP)
	$(PYTEST) -m "not slow and not system and not gpu"

test-all: $(STAMP)
	$(PYTEST) -m "not system and not gpu"

test-system: $(STAMP)
	@[ -n "$(SLURM)" ] || echo "not run: Slurm tests (Debian packages slurm-wlm and munge are not installed)"
	@[ -n "$(BROWSER)" ] || echo "not run: pages in a browser (the Debian package chromium is not installed)"
	@[ -z "$(SLURM)$(BROWSER)" ] || OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 0 -m system tests/system

test-gpu: $(STAMP)
	$(BIN)/python -m pytest -n 0 -m gpu tests

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/hps bench startup
	$(BIN)/hps bench data --least 0.6 --check
	$(BIN)/hps bench synthetic
	$(BIN)/hps bench metrics --check
	$(BIN)/hps bench eval --least 0.9

docs: $(STAMP)
	$(BIN)/python tools/build_reference.py

docs-check: $(STAMP)
	$(BIN)/python tools/build_reference.py --check

# uv when present (seconds), else venv + pip (minutes). The versions are those of constraints.txt.
$(STAMP): pyproject.toml constraints.txt
	@if command -v uv >/dev/null 2>&1; then \
		[ -x $(BIN)/python ] || uv venv --quiet --python $(PYTHON) $(VENV); \
		VIRTUAL_ENV=$(CURDIR)/$(VENV) uv pip install --quiet --constraint constraints.txt --editable '.[dev]'; \
	else \
		[ -x $(BIN)/pip ] || $(PYTHON) -m venv $(VENV); \
		$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'; \
	fi
	@touch $@

clean:
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache
