# pfntrack: set-up, demonstration, tests. Needs Python 3.11 or newer with venv, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What running needs, and what tests and lint need on top.
INSTALLED := $(VENV)/.installed
DEVELOPS := $(VENV)/.develops
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Tests run on this many processes.
JOBS ?= auto

# What booting kernels needs of Debian; docs/lab.md says what for.
LAB_PACKAGES := qemu-system-x86 qemu-utils util-linux gcc gcc-12 libc6-dev make binutils bc \
  debian-archive-keyring
# And for kernels that are built here (lab build).
KERNEL_PACKAGES := flex bison libelf-dev libssl-dev perl xz-utils patch coccinelle

# What tests beside those want: a browser, shells, readers of pages, another model checker.
TEST_PACKAGES := chromium chromium-driver zsh fish spin gcc libc6-dev make cpio zstd man-db groff \
  coccinelle

.PHONY: help venv dev demo docs man test test-deep test-browser test-lab test-lab-all test-kernel install-lab install-test test-package lint format bench collector clean

help:
	@echo "make venv    create $(VENV) with the command $(BIN)/pfntrack, and what running it needs"
	@echo "make dev     the same, and what tests and lint need"
	@echo "make demo    set up for use, then compare a truncation under the designs of 6.1, 6.12 and 7.3"
	@echo "make test    set up for development, then run the tests"
	@echo "make test-deep    property tests and fuzzers with 25 times the examples"
	@echo "make test-browser  only the tests that open pages in Chromium"
	@echo "make test-lab  boot a Debian kernel in QEMU and compare it with the model"
	@echo "make test-lab-all  all tests that boot kernels, on all of them"
	@echo "make test-kernel  build kernels with and without our changes, and judge them"
	@echo "make install-lab   install the Debian packages that these need (as root)"
	@echo "make install-test  install those that other tests are skipped without (as root)"
	@echo "make test-package  build wheel and sdist, install them in a fresh environment, use them"
	@echo "make docs    build the documentation site in build/docs, with the explorer (npm)"
	@echo "make man     write the man page and shell completion anew, from the parser"
	@echo "make lint    ruff and mypy"
	@echo "make format  rewrite the sources in canonical form"
	@echo "make bench   compare with other programs in one run: SPIN, a naive join, real kernels"
	@echo "make collector  build dist/pfntrack-collect.pyz and pfntrack-record.pyz for Python 3.8 and newer"
	@echo "make clean   remove $(VENV) and caches"

venv: $(INSTALLED)

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "pfntrack needs Python 3.11 or newer: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing: install the Debian package python3-venv" >&2; exit 1; }
	@echo "making $(VENV) and installing pfntrack there with what running it needs (nothing outside it)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --editable .
	@touch $@

dev: $(DEVELOPS)

$(DEVELOPS): pyproject.toml $(INSTALLED)
	@echo "adding what tests and lint need to $(VENV)"
	@$(PIP) --editable '.[test,lint]'
	@touch $@

# An exit code of 1 says that findings were shown, which is the point here.
demo: $(INSTALLED)
	@echo "a driver maps four pages and takes one away, on three kernels:"
	$(BIN)/pfntrack compare truncate-middle --with 6.1,6.12,7.3 || test $$? -eq 1
	@echo "next: $(BIN)/pfntrack --help, or put $(CURDIR)/$(BIN) into PATH"

test: $(DEVELOPS)
	$(BIN)/python -m pytest -n $(JOBS) -m "not lab and not package and not deep" tests

# What hypothesis drives, with 25 times the examples; and what is marked deep.
test-deep: $(DEVELOPS)
	$(BIN)/python -m pytest -n $(JOBS) --hypothesis-profile=deep \
	  -m "(hypothesis or deep) and not lab and not package" tests

# Part of the tests; says why when Chromium or its driver is missing.
test-browser: $(DEVELOPS)
	$(BIN)/python -m pytest -m browser -rs tests/browser

# Says why when QEMU or a package is missing; PFNTRACK_TEST_KERNEL names another kernel.
test-lab: $(DEVELOPS)
	$(BIN)/python -m pytest -m lab -rs tests/lab/test_real.py

test-lab-all: $(DEVELOPS)
	$(BIN)/python -m pytest -m "lab and not kernel" -rs tests

# Builds kernels (minutes for the first, which stays in the cache), plays everything on them.
test-kernel: $(DEVELOPS)
	$(BIN)/python -m pytest -m kernel -rs tests/kernel

install-lab:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(LAB_PACKAGES) $(KERNEL_PACKAGES)

install-test:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(TEST_PACKAGES)

test-package: $(DEVELOPS)
	$(PIP) build pipx --editable '.[docs]'
	$(BIN)/python -m pytest -m package -rs tests/package tests/docs

docs: $(DEVELOPS)
	$(PIP) --editable '.[docs]'
	$(BIN)/python -m tools.site

man: $(DEVELOPS)
	$(BIN)/python -m tools.man

lint: $(DEVELOPS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(DEVELOPS)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEVELOPS)
	$(if $(TLC),PFNTRACK_TLC='$(TLC)') $(BIN)/python -m bench

collector:
	rm -rf build/collector
	mkdir -p build/collector dist
	cp src/pfntrack/audit/read/collector.py build/collector/__main__.py
	$(PYTHON) -m zipapp --python "/usr/bin/env python3" --compress \
	  --output dist/pfntrack-collect.pyz build/collector
	rm -rf build/recorder
	mkdir -p build/recorder
	cp src/pfntrack/record/recorder.py build/recorder/__main__.py
	$(PYTHON) -m zipapp --python "/usr/bin/env python3" --compress \
	  --output dist/pfntrack-record.pyz build/recorder

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
