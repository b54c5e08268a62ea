# Two commands do everything on a machine that has Python 3.10+ and make:
#   make demo    runs the main job on its built-in demo data
#   make test    runs the tests; make test-fast leaves out those that take over 2 seconds
# PYTHON chooses the interpreter, VENV the virtual environment, EXTRAS more of setup.py's extras (such as torch).

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?=
BIN := $(VENV)/bin
comma := ,
INSTALLED := $(VENV)/.installed$(subst $(comma),-,$(EXTRAS))

.PHONY: demo test test-fast lint clean

demo: $(INSTALLED)
	$(BIN)/python tools/pipeline.py --out runs/demo

# One worker a core; what is slow is mostly tracing, which uses one.
test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist worksteal

# Without the tests marked `slow`.
test-fast: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(INSTALLED): setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "seesaw_keras requires Python 3.10 to 3.13: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade --constraint constraints.txt pip setuptools
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,micro,onnx,serving$(if $(EXTRAS),$(comma)$(EXTRAS))]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
