# Two commands do everything on a fresh machine: `make demo` and `make test`.
# TORCH_INDEX=URL  takes PyTorch from a wheel index of your choice (a CPU or a CUDA build; the PyTorch
#                  "get started" page lists them). Empty: the default package index.
# PYTHON=python3.12 chooses the interpreter (3.11 or newer).
PYTHON ?= python3
TORCH_INDEX ?=
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

TOOLS := build/tools/bin
PACKAGES := .github/requirements.txt

.PHONY: demo docs test lint test-heavy test-lowest test-newest robust bench sbom audit-packages hashes install clean
.DEFAULT_GOAL := help

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 16

install: $(STAMP)  ## create .venv and install everything (demo, test and lint do this by themselves)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, found $$($(PYTHON) --version). Choose one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Installing into $(VENV) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) -c constraints.txt torch
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP)  ## the main job on generated phantom data: train on one centre, score on others
	$(BIN)/python baselines/demo.py

lint: $(STAMP)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: $(STAMP) lint  ## lint, then every test that is not heavy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not heavy"

test-heavy: $(STAMP)  ## the tests that take minutes
	$(BIN)/python -m pytest -m heavy

test-lowest: RESOLUTION := lowest-direct
test-newest: RESOLUTION := highest
test-lowest: $(TOOLS)/uv  ## the tests with the oldest packages that pyproject.toml allows (UV_TORCH_BACKEND=cpu spares the CUDA ones)
test-newest: $(TOOLS)/uv  ## the tests with the newest packages there are
test-lowest test-newest: test-%:
	$(TOOLS)/uv venv --quiet --clear --python $(PYTHON) build/$*
	$(TOOLS)/uv pip install --quiet --python build/$*/bin/python --resolution $(RESOLUTION) -e '.[dev]'
	OMP_NUM_THREADS=1 build/$*/bin/python -m pytest -n 2 -m "not heavy"

robust: $(STAMP)  ## try to break it: hostile inputs, kills, hostile servers; at most 15 minutes on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.robustness

docs: $(STAMP)  ## the documentation as a site, beside the board as where it is published, in build/site/docs; warnings are errors
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	rm -rf build/site && mkdir -p build/site && cp -r leaderboard/site/. build/site && rm -r build/site/docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/site/docs

bench: $(STAMP)  ## benchmarks, each against its reference in the same run
	$(BIN)/python -m benchmarks

$(TOOLS)/uv:
	@$(PYTHON) -m venv build/tools
	@$(TOOLS)/python -m pip install --quiet --disable-pip-version-check cyclonedx-bom pip-audit uv

sbom: $(STAMP) $(TOOLS)/uv  ## what is installed, as CycloneDX, in build/sbom.json
	$(TOOLS)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o build/sbom.json $(BIN)/python

audit-packages: $(TOOLS)/uv  ## which versions of constraints.txt have a known vulnerability; needs the network
	@mkdir -p build; $(TOOLS)/pip-audit --strict --progress-spinner off --disable-pip --no-deps \
	  --requirement constraints.txt > build/audit.txt 2> build/audit.log \
	&& echo "no package of constraints.txt has a known vulnerability" \
	|| { if test -s build/audit.txt; then cat build/audit.txt; \
	     else echo "nothing is known: the database does not answer for every package: $$(tail -n 1 build/audit.log)"; fi >&2; exit 1; }

hashes: $(TOOLS)/uv  ## the packages that workflows install, with hashes, from constraints.txt
	echo 'hatchling' | $(TOOLS)/uv pip compile --quiet --generate-hashes --no-header --no-annotate \
	  --python-platform x86_64-manylinux_2_28 --python-version 3.12 -c constraints.txt --extra docs pyproject.toml - -o $(PACKAGES)

clean:  ## remove .venv and what the demo wrote
	rm -rf $(VENV) demo
