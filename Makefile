# Everything runs in .venv, made on first use. PYTHON names the interpreter it is made from (3.11+).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOWEST := .venv-lowest
INSTALLED := $(VENV)/.installed
DOCS_INSTALLED := $(VENV)/.installed_docs
# make docs GALLERY=0 builds the pages without running the examples.
GALLERY ?= 1

.PHONY: demo test test-avx2 test-slow test-lowest coverage lint format types bench bench-gpu docs clean

# Where another process has a core, two threads wait for each other: epochs took thirty times as long.
demo: export OMP_NUM_THREADS := 1
demo: $(INSTALLED)
	$(BIN)/python examples/demo_field_guide.py

# Two processes share the test files, each with one thread: small problems gain nothing from more.
PYTEST_PARALLEL := -n 2 --dist loadfile

test: export OMP_NUM_THREADS := 1
test: $(INSTALLED)
	$(BIN)/python -m pytest $(PYTEST_PARALLEL)

coverage: export OMP_NUM_THREADS := 1
coverage: $(INSTALLED)
	$(BIN)/python -m pytest $(PYTEST_PARALLEL) --cov --cov-report=term:skip-covered

# What depends on how a processor rounds, once more as one without AVX-512 computes it.
test-avx2: export OMP_NUM_THREADS := 1
test-avx2: export ATEN_CPU_CAPABILITY := avx2
test-avx2: export ONEDNN_MAX_CPU_ISA := AVX2
test-avx2: $(INSTALLED)
	$(BIN)/python -m pytest $(PYTEST_PARALLEL) tests/test_docs.py tests/test_examples.py \
		tests/attention tests/training tests/nn zslearn/attention zslearn/ensemble zslearn/calibration

# At the lower bounds of the dependencies, in an environment of its own.
test-lowest: export OMP_NUM_THREADS := 1
test-lowest: $(LOWEST)/.installed
	$(LOWEST)/bin/python -m pytest $(PYTEST_PARALLEL) -p no:cacheprovider

$(LOWEST)/.installed: pyproject.toml
	test -x $(LOWEST)/bin/python || $(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet uv
	$(LOWEST)/bin/python -m uv pip install --quiet --python $(LOWEST)/bin/python \
		--resolution lowest-direct --editable ".[test]"
	touch $(LOWEST)/.installed

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

# At most eight minutes, on the card that torch finds and with data made up.
bench-gpu: $(INSTALLED)
	@$(BIN)/python -c "import sys, torch; sys.exit(0 if torch.cuda.is_available() \
		else 'make bench-gpu needs a CUDA device, and torch finds none')"
	@$(BIN)/python -c "import torch; print(torch.cuda.get_device_name())"
	timeout 220 $(BIN)/python -m pytest tests/training/test_cuda.py tests/nn/test_triton_kernel.py \
		tests/nn/test_kernels.py
	timeout 200 $(BIN)/python -m benchmarks step epoch predict --problem "CUB ViT" "CUB ResNet"
	timeout 60 $(BIN)/python -m benchmarks small

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
	rm -rf $(VENV) $(LOWEST) build dist demo_output *.egg-info .pytest_cache .mypy_cache .ruff_cache
