# make setup | demo | test | check        (see README.md)
SHELL := /bin/bash
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
# Two cores serve several workers: threads beyond one per worker only fight each other.
export OMP_NUM_THREADS ?= 1
export PYTHONUNBUFFERED ?= 1

PYTHON ?= python3.11
# Test files are shared out among this many processes; a file's tests stay together.
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
PACKAGES := analysis reports dicom_node

.PHONY: setup demo test test-slow check format messages constraints sbom clean

setup: $(STAMP)

PYTHON_PACKAGES := python3.11 python3.11-venv python3.11-dev
HAS_HEADERS := import ensurepip, pathlib, sysconfig; assert pathlib.Path(sysconfig.get_path("include"), "Python.h").exists()

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) --version >/dev/null 2>&1 && $(PYTHON) -c '$(HAS_HEADERS)' 2>/dev/null || \
	  { echo "Python 3.11 with venv and headers is missing. Type: sudo apt-get install $(PYTHON_PACKAGES)" >&2; exit 1; }
	@command -v cc >/dev/null || \
	  { echo "A C compiler is missing (pyradiomics is compiled here). Type: sudo apt-get install gcc" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check uv
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install -q -c constraints.txt -e ".[training]" --group dev
	@touch $(STAMP)

demo: setup
	$(BIN)/dicom-node demo --out demo_output

test: setup
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m "not slow and not alone"
	$(BIN)/pytest -m "alone and not slow"

test-slow: setup
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "slow and not alone" -o timeout=1200
	$(BIN)/pytest -m "slow and alone" -o timeout=1200

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Brings new messages of reports/ and of the console into the Chinese catalogues and drops unused ones; then translate
# what is empty.
CATALOGUE := reports/locale/zh_CN/LC_MESSAGES/radius_dxa.po
CONSOLE_CATALOGUE := dicom_node/web/locale/zh_CN/LC_MESSAGES/console.po
MERGE := -l zh_CN --width 110 --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date
messages: setup
	$(BIN)/pybabel -q extract --no-default-keywords -k translated -k translatable -k translated_plural:1,2 \
	  --add-location=file --sort-by-file -o $(CATALOGUE)t reports
	$(BIN)/pybabel -q update $(MERGE) -i $(CATALOGUE)t -o $(CATALOGUE)
	cd dicom_node/web && $(CURDIR)/$(BIN)/pybabel -q extract --no-default-keywords -F locale/babel.cfg \
	  -k _ -k translatable -k _n:1,2 --add-location=file --sort-by-file -o $(CURDIR)/$(CONSOLE_CATALOGUE)t .
	$(BIN)/pybabel -q update $(MERGE) -i $(CONSOLE_CATALOGUE)t -o $(CONSOLE_CATALOGUE)
	@sed -i '/^"\(Project-Id\|Report-Msgid\|POT-Creation\|PO-Revision\|Last-Translator\|Language-Team\|Generated-By\)/d' \
	  $(CATALOGUE) $(CONSOLE_CATALOGUE)
	@rm $(CATALOGUE)t $(CONSOLE_CATALOGUE)t

# Pins every dependency without host names or local paths.
constraints: setup
	$(BIN)/uv pip compile -q --upgrade --python-version 3.11 pyproject.toml --extra training --no-emit-package torch --group dev --no-annotate --no-header -o constraints.txt

# Software bill of materials (CycloneDX, validated): what this installation runs on, in which versions, under which licences.
sbom: setup
	@mkdir -p build
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --short-PURLs -o build/sbom.cdx.json $(BIN)/python

clean:
	rm -rf $(VENV) demo_output
