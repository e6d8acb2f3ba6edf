# make env    creates .venv with everything that the demo and the tests need
# make demo   the whole road on the embedded engine: render, curate, shard, train
# make test   the CPU tests
# make check  ruff, basedpyright and the layer contracts

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready

.PHONY: env demo test check
env: $(READY)

# torch first and by its pinned version: whatever build pip finds for this machine then satisfies the rest.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "relickit needs Python 3.11 or newer, found " + sys.version.split()[0])'
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,dev]'
	touch $@

demo: env
	$(VENV)/bin/relickit demo

test: env
	$(VENV)/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: env
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/basedpyright
	$(VENV)/bin/lint-imports
