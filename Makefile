# Two commands matter: `make app` opens BrainLens, `make test` runs the whole suite. Both set everything up first.

PYTHON ?= python3
PORT ?= 5006
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: app env test fuzz check seconds types docs deep lint bench starter zoo lock browser shots tasks clean

env: $(READY)

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "BrainLens needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

app: env
	$(BIN)/brainlens app --port $(PORT)

browser: env
	$(BIN)/python -m tests.browser

test: env browser
	$(BIN)/python -m pytest -n 2 --dist worksteal

# What takes minutes: simulations, fuzz, faults, screenshots. Their JSON is committed; a slice of each is in `make test`.
deep: env browser
	$(BIN)/python -m pytest -m deep --timeout 3600

# Damaged and mutated files, sidecars and links, thousands of each kind (about half an hour)
fuzz: env
	BRAINLENS_FUZZ=2000 $(BIN)/python -m pytest -n 2 tests/test_fuzz.py tests/data/test_own_hostile.py --timeout 3600

# What a commit must pass in two minutes: style, and the tests that need no browser, no download and no patience.
check: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not long and not slow and not browser and not starter and not realdata and not deep"

# The whole suite, and which of its tests take long: tests/seconds.json.
seconds: env browser
	$(BIN)/python -m pytest -n 2 --dist worksteal --junitxml build/suite.xml
	$(BIN)/python -m tools.seconds build/suite.xml

lint: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: env
	$(BIN)/pyright

# The documentation as a site that asks no other host; look at it with: python -m http.server -d build/site
docs: env
	$(BIN)/python -m tools.reference
	$(BIN)/mkdocs build --strict --quiet

bench: env
	$(BIN)/python -m benchmarks

# Every lens in every state, window and theme, on contact sheets in build/shots to look at.
shots: env browser
	$(BIN)/python -m tools.shots

# Five tasks of a first visit in a browser, in clicks and seconds.
tasks: env browser
	$(BIN)/python -m tools.tasks

faults: env
	$(BIN)/python -m tools.faults --write

starter: env
	$(BIN)/brainlens models starter
	$(BIN)/brainlens data starter

zoo: env
	$(BIN)/python -m tools.zoo

# A fresh environment from the ranges of pyproject.toml, written down; a local build's suffix (+cpu) is taken off.
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet "torch==2.13.0"
	build/lock/bin/python -m pip install --quiet --editable ".[brain,cluster,docs,meeg,notebook,serve,stories,test]"
	@echo "# Made by 'make lock' from pyproject.toml; do not edit." > requirements.tmp
	build/lock/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' >> requirements.tmp
	mv requirements.tmp requirements.txt

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
