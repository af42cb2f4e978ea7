# Needs Python 3.11 or later with pip. Everything else goes into .venv, in the locked versions.
PYTHON ?= python3
PIP_VERSION := 26.3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check \
	--constraint requirements.lock --build-constraint requirements.lock

# a venv at $(1); with the pip at hand, since Debian's Python brings none along
define new_venv
$(PYTHON) -m venv --without-pip --clear $(1)
$(PYTHON) -m pip --python $(1)/bin/python install -qq --disable-pip-version-check \
	pip==$(PIP_VERSION)
endef

.PHONY: demo test lint lock clean

demo: .venv/.project
	$(BIN)/telnyx-jobs sync --demo

test: .venv/.dev
	$(BIN)/pytest

lint: .venv/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --disable-progress-bar sql

lock:
	$(call new_venv,.cache/lock)
	.cache/lock/bin/python -m pip install -qq --upgrade --editable . --group dev
	echo "# Every package's exact version, as pip constraints. Made by: make lock" > .cache/lock.txt
	.cache/lock/bin/python -m pip freeze --exclude-editable >> .cache/lock.txt
	mv .cache/lock.txt requirements.lock
	rm -rf .cache/lock

clean:
	rm -rf .venv .cache dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/.project: pyproject.toml requirements.lock
	$(call new_venv,.venv)
	$(INSTALL) --editable .
	touch $@

.venv/.dev: .venv/.project
	$(INSTALL) --group dev
	touch $@
