# Needs Python 3.11 or later with pip. Everything else goes into .venv, in the locked versions.
PYTHON ?= python3
PIP_VERSION := 26.3
BIN := .venv/bin
# what `make notebook` opens
TELNYX_JOBS_DATABASE ?= telnyx_jobs.duckdb
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check \
	--constraint requirements.lock --build-constraint requirements.lock

# a venv at $(1); with the pip at hand, since Debian's Python brings none along
define new_venv
$(PYTHON) -m venv --without-pip --clear $(1)
$(PYTHON) -m pip --python $(1)/bin/python install -qq --disable-pip-version-check \
	pip==$(PIP_VERSION)
endef

.PHONY: demo notebook notebook-ipynb dbt-sources test test-trials test-engines test-schedules lint lock clean

demo: .venv/.project
	$(BIN)/telnyx-jobs sync --demo

# the default file is made with the demo's data when it is not there; another one must be
notebook: .venv/.notebooks | $(filter telnyx_jobs.duckdb,$(TELNYX_JOBS_DATABASE))
	$(BIN)/marimo run notebooks/explore_failures.py -- --database "$(TELNYX_JOBS_DATABASE)"

telnyx_jobs.duckdb: | .venv/.project
	$(BIN)/telnyx-jobs sync --demo --database $@

notebook-ipynb: .venv/.notebooks
	$(BIN)/python notebooks/make_ipynb.py

# dbt/models/sources.yml, from schema.py and the comments of the views
dbt-sources: .venv/.project
	$(BIN)/python dbt/make_sources.py

# three processes import the same tests: what each compiles the others need, whatever is set outside
test test-trials test-engines test-schedules: export PYTHONDONTWRITEBYTECODE :=

test: .venv/.dev
	$(BIN)/pytest --numprocesses auto --dist worksteal

# kills, faults, readers, random histories, fuzzed records, strange environments: minutes
test-trials: .venv/.dev
	$(BIN)/pytest --numprocesses auto --dist worksteal tests/trials

# what users read with: Spark, which takes a minute to start, buckets, marimo and Jupyter
test-engines: .venv/.dev
	$(BIN)/pytest --numprocesses auto --dist loadfile tests/engines

# pipelines/schedules and pipelines/monitoring under systemd-analyze, sh, buildah, Prometheus,
# Airflow and Dagster: minutes; as root
test-schedules: .venv/.dev
	$(BIN)/pytest --numprocesses auto --dist loadfile tests/schedules

lint: .venv/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/marimo check --strict notebooks/explore_failures.py
	$(BIN)/sqlfluff lint --disable-progress-bar sql
	$(BIN)/codespell

# against dlt alone, Telnyx's SDK and PyAirbyte, each in an environment of its own below .cache
JOBS ?= 1000
NUMBERS ?= 500
RUNS ?= 3
.PHONY: bench scaling
bench: .venv/.dev
	PYTHONPATH=tests $(BIN)/python -m benchmarks.bench --jobs $(JOBS) --numbers $(NUMBERS) \
		--runs $(RUNS)

scaling: .venv/.dev
	PYTHONPATH=tests $(BIN)/python -m benchmarks.scaling

lock:
	$(call new_venv,.cache/lock)
	.cache/lock/bin/python -m pip install -qq --upgrade --editable '.[report]' --group dev
	echo "# Every package's exact version, as pip constraints. Made by: make lock" > .cache/lock.txt
	.cache/lock/bin/python -m pip freeze --exclude-editable >> .cache/lock.txt
	mv .cache/lock.txt requirements.lock
	rm -rf .cache/lock

clean:
	rm -rf .venv .cache dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/.project: pyproject.toml requirements.lock
	$(call new_venv,.venv)
	$(INSTALL) --editable '.[report]'
	touch $@

.venv/.notebooks: .venv/.project
	$(INSTALL) --group notebooks
	touch $@

.venv/.dev: .venv/.project
	$(INSTALL) --group dev
	touch $@
