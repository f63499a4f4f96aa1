# Everything runs in .venv, made on first use. PYTHON names the interpreter it is made from (3.11+).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DOCS_INSTALLED := $(VENV)/.installed_docs
# make docs GALLERY=0 builds the pages without running the examples.
GALLERY ?= 1

.PHONY: demo test test-slow lint format types bench docs clean

demo: $(INSTALLED)
	$(BIN)/python examples/demo_field_guide.py

test: $(INSTALLED)
	$(BIN)/python -m pytest

test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks

docs: $(DOCS_INSTALLED)
	MPLBACKEND=Agg $(BIN)/sphinx-build -W --keep-going -q -D plot_gallery=$(GALLERY) -d docs/_build/doctrees docs docs/_build/html
	@echo "open docs/_build/html/index.html"

$(DOCS_INSTALLED): pyproject.toml $(INSTALLED)
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	touch $(DOCS_INSTALLED)

$(INSTALLED): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	touch $(INSTALLED)

clean:
	rm -rf docs/_build docs/api docs/auto_examples docs/sg_execution_times.rst
	rm -rf $(VENV) build dist demo_output *.egg-info .pytest_cache .mypy_cache .ruff_cache
