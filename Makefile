# demo · test · check · bench: each sets up whatever it needs, on a machine with Python 3.11, make and a C++ compiler.

PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3) python3)
BIN := .venv/bin
UV := .tools/bin/uv
# Every file that ends up in the compiled core or decides how it is built.
CORE := $(wildcard core/*.* core/*/*) CMakeLists.txt pyproject.toml
WORKERS ?= auto

.PHONY: demo test check format bench bench-devices docs install lock clean

demo: install
	@$(BIN)/tinyglass train --preset course --out demo
	@$(BIN)/tinyglass predict demo examples/moving_closer.txt
	@echo "Open the report in a browser: demo/report.html"

test: install
	$(BIN)/pytest -n $(WORKERS) --cov --cov-report=term-missing:skip-covered

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# BENCH=--quick takes under two minutes; PyTorch, which no lock file names, is measured where it is installed.
bench: install .venv/peers
	$(BIN)/python -m benchmarks $(BENCH)

# What a network costs on boards, beside emlearn and TFLite Micro. BENCH=--quick, or BENCH=--docs for docs/devices.md.
bench-devices: install .venv/peers
	$(BIN)/python -m benchmarks.devices $(BENCH)

.venv/peers: requirements/bench.txt | .venv/packages
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements/bench.txt
	@touch $@

docs: install
	$(BIN)/python docs/make_reference.py
	$(BIN)/python docs/make_lessons.py
	$(BIN)/python docs/make_whole_way.py

install: .venv/installed

# uv lives in its own small environment; it installs in a third of the time that pip takes.
$(UV): requirements/tools.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "tinyglass needs Python 3.11 or newer; $(PYTHON) is older. Run: make PYTHON=/path/to/python3.11"; exit 1; }
	@command -v c++ g++ clang++ >/dev/null || { \
		echo "tinyglass compiles its core and found no C++ compiler. On Debian or Ubuntu: apt install g++"; exit 1; }
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --require-hashes --requirement requirements/tools.txt
	@touch $@

.venv/packages: requirements/dev.txt | $(UV)
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements/dev.txt
	@touch $@

.venv/installed: .venv/packages $(CORE)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(UV) pip install --quiet --python $(BIN)/python \
		--no-build-isolation --no-deps --reinstall-package tinyglass --editable .
	@touch $@

# Pins every package by version and hash. No registry's address is written.
lock: $(UV)
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--all-extras --group dev pyproject.toml --output-file requirements/dev.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--group bench pyproject.toml --output-file requirements/bench.txt --constraint requirements/dev.txt
	echo uv | $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		- --output-file requirements/tools.txt

clean:
	rm -rf .venv .tools build demo
