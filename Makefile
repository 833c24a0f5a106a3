PYTHON ?= python3
LAB_FLAGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PEERS := .venv-peers
# nbval takes seconds to load; only the notebooks need it.
PYTEST := $(BIN)/python -m pytest -p no:nbval
IN_PARALLEL := -n auto --dist loadfile --no-loadscope-reorder
BROWSER_TESTS = $$(grep -rl --include='test_*.py' 'pytest.mark.browser' tests | sort)
NOTEBOOKS := $(wildcard notebooks/*.ipynb notebooks/zh/*.ipynb)
LAB_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
WHAT_IS_INSTALLED := pyproject.toml constraints.txt

# A test run starts more than a hundred processes that import the same files: they are compiled once.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help lab test quick notebooks fuzz parity lint bench browser clean

help:  ## say what there is
	@grep -E '^[a-z]+: .*##|^[a-z]+:  ##' Makefile | sed -E 's/^([a-z]+):.*## /\1	/'

lab: $(VENV)/lab.stamp  ## install brickbook and open the course's index
	$(BIN)/jupyter lab $(LAB_ROOT) $(LAB_FLAGS) notebooks/00_index.ipynb

test: $(VENV)/test.stamp browser  ## run every test: import order, Python, browser, notebooks
	$(BIN)/lint-imports --no-logo
	$(PYTEST) $(IN_PARALLEL) -m 'not (bench or browser)'
	$(PYTEST) -m 'browser and not bench' $(BROWSER_TESTS)  # one after the other: they look at times
ifneq ($(NOTEBOOKS),)
	BRICKBOOK_LANGUAGE=en $(BIN)/python -m pytest --nbval --nbval-current-env --nbval-sanitize-with tests/nbval.cfg \
	    -n auto --dist loadfile $(NOTEBOOKS)
endif

quick: $(VENV)/test.stamp  ## run the tests that need no browser, compiler or processes of their own
	$(PYTEST) $(IN_PARALLEL) -m 'not (bench or browser or compile or processes)'

notebooks: $(VENV)/test.stamp  ## run the notebooks, store what they show, and make those in Chinese anew
	BRICKBOOK_LANGUAGE=en $(BIN)/python -W ignore tests/support/course_notebooks.py

fuzz: $(VENV)/test.stamp  ## plan 100,000 random and hostile configs, new ones each time
	$(BIN)/python tests/support/fuzz.py

# Beside mmcv-lite, mmengine, mmpretrain, timm and transformers; there a peer that is missing is a failure.
parity: $(PEERS)/stamp  ## run the tests that compare with other libraries, in an environment of their own
	BRICKBOOK_PARITY=1 $(PEERS)/bin/python -m pytest $(IN_PARALLEL) \
	    $$(grep -rl --include='test_*.py' '^from peers import' tests)

lint: $(VENV)/test.stamp  ## check style, types and the import order
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

bench: $(VENV)/bench.stamp  ## measure against mmcv, write bench.json
	$(BIN)/python tests/benchmarks/run.py

clean:  ## remove the environment, caches and what tests leave behind
	rm -rf $(VENV) $(PEERS) .hypothesis .import_linter_cache .pytest_cache .ruff_cache build dist
	rm -rf tests/artifacts bench.json
	find . -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# An install step runs again only when what it installs has changed.
$(VENV)/lab.stamp: $(WHAT_IS_INSTALLED) | $(BIN)/python
	$(PIP) -e '.[lab]'
	touch $@

$(VENV)/test.stamp: $(WHAT_IS_INSTALLED) | $(BIN)/python
	$(PIP) -e '.[lab,test]'
	touch $@ $(VENV)/lab.stamp

$(VENV)/bench.stamp: $(WHAT_IS_INSTALLED) | $(BIN)/python
	$(PIP) -e '.[lab,bench]'
	$(call headless,$(VENV))
	touch $@

$(PEERS)/stamp: $(WHAT_IS_INSTALLED)
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	    -e '.[lab,test,parity]'
	$(call headless,$(PEERS))
	PYTHONPATH=tests/support $(PEERS)/bin/python -W ignore -c \
	    'from mmpretrain_support import import_mmpretrain; import_mmpretrain()'
	touch $@

# mmcv asks for the OpenCV that opens windows; a machine without a screen may lack what that needs.
define headless
$(1)/bin/python -c 'import cv2' 2>/dev/null || { \
    $(1)/bin/python -m pip uninstall --quiet --yes opencv-python && \
    $(1)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
        --no-deps --force-reinstall opencv-python-headless; }
$(1)/bin/python -W ignore -c 'import mmcv.cnn, mmengine.model'
endef

browser:
	@for name in chromium chromium-browser google-chrome google-chrome-stable \
	    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome' \
	    /Applications/Chromium.app/Contents/MacOS/Chromium; do \
	    if command -v "$$name" >/dev/null 2>&1; then exit 0; fi; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	    export DEBIAN_FRONTEND=noninteractive; \
	    if apt-get update -qq && apt-get install -y -qq chromium >/dev/null; then exit 0; fi; \
	fi; \
	echo "No Chromium found: install chromium or google-chrome to run the browser tests."
