# Targets a newcomer needs: run, test. For developers: check, bench, conform, docs.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test install check bench clean

install: .venv/installed

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

run: install
	$(BIN)/healix serve --data-dir data --demo

test: install
	$(BIN)/python -m pytest

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install
	$(BIN)/python -m pytest tests/bench -m bench -s -p no:randomly

clean:
	rm -rf .venv build dist
