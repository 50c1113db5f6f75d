# From text to book: notebooks/*.md -> executed notebooks -> static HTML. Plain `make` lists the targets.

SHELL   := bash
PYTHON  ?= python3
SETTING ?= paper
UV      := uv==0.13.9

# VENV=folder uses an environment that is already complete, as it is.
ifndef VENV
VENV  := .venv
ready := .venv/ready
torch := .venv/ready-torch
endif

BIN      := $(abspath $(VENV))/bin
CHAPTERS := $(patsubst notebooks/%.md,%,$(wildcard notebooks/*.md))
EXECUTED := $(CHAPTERS:%=book/nb/%.ipynb)
RELEASES := $(patsubst notebooks/assignments/%.md,book/assignments/%.zip,$(wildcard notebooks/assignments/*.md))
PACKAGE  := $(wildcard aedyn/*.py aedyn/data/*/*)
PAGES    := _config.yml $(wildcard book/*.* book/_static/* book/_ext/*.py)

ifdef AEDYN_DATA
override AEDYN_DATA := $(shell $(PYTHON) -c 'import os, sys; print(os.path.abspath(sys.argv[1]))' "$(AEDYN_DATA)")
export AEDYN_DATA
endif
export SETTING
export PATH := $(BIN):$(PATH)
export PYTHONPATH := $(CURDIR)
MAKEFLAGS += -j$(shell $(PYTHON) -c 'import os; print(os.cpu_count())')

.PHONY: help book serve test results release grade instructor lint lock clean force
.DELETE_ON_ERROR:

help:
	@echo 'make book     execute the chapters and build the book   (_build/html/index.html)'
	@echo '              SETTING=smoke for small sizes, AEDYN_DATA=folder for the MNIST files'
	@echo 'make serve    show the book at http://localhost:8000'
	@echo 'make test     run all tests: compiled, without the compiler, with bounds checks'
	@echo 'make results  make the stored results of long runs that are missing (hours for all of them)'
	@echo 'make release  make the assignments that students get   (book/assignments)'
	@echo 'make grade SUBMISSIONS=folder   grade what they hand in, in a sandbox; see book/instructors.md'
	@echo 'make instructor  solutions, tests and rubrics of the assignments (_build/assignments/instructor)'
	@echo 'make lint     check code, text and notebooks for style and spelling'
	@echo 'make lock     pin the newest versions in requirements.txt'
	@echo 'make clean    remove all that was built; the environment .venv stays'

# The environment ------------------------------------------------------------------------------------------------------

.venv/ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("aedyn needs Python 3.11 or newer, and \
	$(PYTHON) is %d.%d: name another one, as in make PYTHON=python3.12 book" % sys.version_info[:2])'
	@echo 'installing the environment into .venv (once, a few minutes)'
	@$(PYTHON) -m venv .venv
	@.venv/bin/pip install --quiet $(UV)
	@.venv/bin/uv pip install --python .venv --compile-bytecode -r requirements.txt
	@.venv/bin/uv pip install --python .venv --no-build-isolation --no-deps --editable .
	@touch $@

.venv/ready-torch: requirements-torch.txt .venv/ready
	@echo 'installing torch, which some tests compare with'
	@.venv/bin/pip install --quiet --retries 1 --no-deps -r requirements-torch.txt
	@touch $@

lock: $(ready)
	uv pip compile --upgrade --universal --fork-strategy fewest --python-version 3.11 \
	    --extra book --extra course --extra test pyproject.toml --no-annotate --no-header -o requirements.txt

# The book -------------------------------------------------------------------------------------------------------------

book: _build/html/index.html
	@echo 'The book is up to date. Open _build/html/index.html, or run `make serve`.'

serve: book
	@python -m http.server --bind 127.0.0.1 --directory _build/html 8000

# Holds what the chapters are run with; rewritten only when that changes, or when a file of the package comes or goes.
run-with = $(SETTING) $(AEDYN_DATA) $(sort $(PACKAGE))
_build/setting: force
	@mkdir -p _build
	@echo '$(run-with)' | cmp -s - $@ || echo '$(run-with)' > $@

$(EXECUTED): book/nb/%.ipynb: notebooks/%.md $(PACKAGE) requirements.txt _build/setting book/execute | $(ready)
	@book/execute $* $(SETTING)

# It measures times, so it runs when no other chapter does.
book/nb/rerunning.ipynb: | $(filter-out book/nb/rerunning.ipynb,$(EXECUTED))

ifneq ($(SETTING),paper)
$(EXECUTED): book/nb/%.ipynb: notebooks/%.$(SETTING).yml
endif

book/mathjax/mathjax/LICENSE: book/mathjax.py requirements.txt | $(ready)
	@python book/mathjax.py $(@D)

# _build/html is there only when the whole book was built without a warning.
_build/html/index.html: $(EXECUTED) $(RELEASES) $(PAGES) book/mathjax/mathjax/LICENSE
	@echo 'building the pages ...'
	@rm -rf _build/html _build/pages $(filter-out $(EXECUTED),$(wildcard book/nb/*))
	@jupyter-book build -q book --config _config.yml --path-output _build/pages -W --keep-going > /dev/null
	@mv _build/pages/_build/html _build/html

# The tests ------------------------------------------------------------------------------------------------------------

PYTEST := pytest -n auto --dist loadgroup

test: $(ready) $(torch)
	@echo '== 1 of 3: compiled, with the tests of the book and of the assignments'
	@$(PYTEST) tests
	@echo '== 2 of 3: without the compiler'
	@NUMBA_DISABLE_JIT=1 $(PYTEST) tests --ignore=tests/book --ignore=tests/course
	@echo '== 3 of 3: compiled with bounds checks'
	@NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=$(CURDIR)/_build/numba $(PYTEST) tests --ignore=tests/book --ignore=tests/course

# Results that take too long for every build; they come with the package, and a chapter finds them by their inputs.
results: $(ready)
	@python -m aedyn.group_simulation
	@python -m aedyn.digit_study

# Assignments ----------------------------------------------------------------------------------------------------------

release: $(RELEASES)

$(RELEASES): book/assignments/%.zip: notebooks/assignments/%.md $(wildcard course/*.py) requirements.txt | $(ready)
	@python -m course.release $*

instructor: $(ready)
	@python -m course.instructor

# GRADES=folder says where the grades go, SANDBOX=off grades without protection, LIMITS='--cell-seconds 120' allows more.
grade: $(ready)
	@test -n "$(SUBMISSIONS)" || { echo 'Say where the submissions are: make grade SUBMISSIONS=folder'; exit 2; }
	@python -m course.grade "$(SUBMISSIONS)" $(if $(GRADES),--grades "$(GRADES)") \
	    $(if $(SANDBOX),--sandbox $(SANDBOX)) $(LIMITS)

lint: $(ready)
	@pytest -q tests/book/test_text.py

clean:
	rm -rf _build book/assignments book/nb book/mathjax
