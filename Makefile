# Two commands do everything on a fresh machine: make demo, make test.
PYTHON ?= python3
BIN := .venv/bin
LOOPS := geo analytics analytics/compiled ingest ingest/jt808 ingest/nmea
CODE := geo analytics rules store ingest web fixtures gongche benchmarks tests

.PHONY: demo test check format lock system clean
.DEFAULT_GOAL := help
unexport PYTHONDONTWRITEBYTECODE  # every process of a test run imports the same thousand files: they are compiled once

help:  ## List the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1\t/'

demo: .venv/installed  ## A simulated fleet with live terminals and pages (options: make demo ARGS="--vehicles 50")
	@$(BIN)/gongche demo $(ARGS)

test: .venv/installed-test build/pglite/installed build/loops system  ## Every test
	@# One process more than cores: much of the time is waiting for servers that start, and for such that are killed.
	@$(BIN)/python -m pytest -n $$($(BIN)/python -c 'import os; print((os.cpu_count() or 1) + 1)') \
		--dist loadfile --no-loadscope-reorder $(ARGS)

check: .venv/installed-test  ## Style, types, import direction
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: .venv/installed-test  ## Put the code into its style
	@$(BIN)/ruff check --fix $(CODE)
	@$(BIN)/ruff format $(CODE)

lock: .venv/installed-test  ## Pin the newest versions that the bounds in pyproject.toml allow
	@$(BIN)/pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --upgrade --no-header --no-annotate --extra test --python-version 3.11 \
		--output-file requirements.lock pyproject.toml

clean:  ## Remove the environment and every build product
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "gongche needs Python 3.11 or newer; name one with: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "no virtual environment could be made; on Debian: apt-get install python3-venv" >&2; exit 1; }

.venv/installed: pyproject.toml requirements.lock | .venv/bin/pip
	@echo "installing into .venv …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable .
	@touch $@

.venv/installed-test: pyproject.toml requirements.lock | .venv/bin/pip
	@echo "installing into .venv …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[test]'
	@touch .venv/installed $@

# Else each process of the test run would compile every loop by itself, all at the same time.
build/loops: $(wildcard $(LOOPS:%=%/*.py)) .venv/installed-test
	@mkdir -p $(@D)
	@echo "compiling the loops …"
	@$(BIN)/python -m tests.compiling && touch $@

# A PostgreSQL with TimescaleDB for Node, for tests where no server offers it; without Node they are skipped.
build/pglite/installed: tests/store/pglite/package.json tests/store/pglite/package-lock.json
	@mkdir -p $(@D); rm -rf $(@D)/node_modules; cp $^ $(@D)
	@if command -v npm >/dev/null && command -v node >/dev/null; then \
		echo "installing into $(@D) …"; \
		npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null && touch $@ || \
			echo "not installed: $(@D); tests of TimescaleDB will be skipped without a server" >&2; \
	fi

# What the tests need beyond Python: a real broker, a real browser, Chinese letters for it.
system:
	@missing=""; \
	command -v mosquitto >/dev/null || test -x /usr/sbin/mosquitto || missing="$$missing mosquitto"; \
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing="$$missing chromium"; \
	fc-list ':lang=zh' 2>/dev/null | grep -q . || missing="$$missing fonts-noto-cjk"; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "installing$$missing …"; \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
		else \
			echo "not found:$$missing; the tests that need them will be skipped (they fail where CI=true)" >&2; \
		fi; \
	fi
