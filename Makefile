# Everything a fresh machine with Python 3.11+ and make needs.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin

.PHONY: help demo test torture check docs install bench clean

help: ## Say what there is.
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1;\2/p' Makefile | while IFS=';' read -r target sentence; do printf '%-14s %s\n' "$$target" "$$sentence"; done

install: $(VENV)/.installed ## Install into .venv; every other target does so by itself.

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: install ## Recorded webhooks in, messages and reasons for silence out. ARGS="--exit --channel waha": over a stand-in of that API.
	$(RUN)/vestnik demo $(ARGS)

# One process more than there are cores: some of the time a test waits for its database or for another process.
test: install ## All tests, those on PostgreSQL included. ARGS="tests/test_cli.py -k demo": some of them.
	$(RUN)/pytest -n $(shell $(PYTHON) -c "import os; print((os.cpu_count() or 1) + 1)") $(ARGS)

check: install ## Lint, form, types and import rules.
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports

docs: install ## Make the tables of README.md and the references in docs/ anew, from the code.
	$(RUN)/python -m core.docs

torture: install ## 200 crashes on both databases; the last line is the verdict. ARGS="50 7": fifty, in another order.
	$(RUN)/python -m tests.torture $(ARGS)

# ARGS="--only accepts --past 0": one part alone. Into tests/bench/results/.
bench: install ## Ratios beside the same stack without a database: 20 minutes, 16 GB. ARGS=--quick: a look in three.
	$(RUN)/python -m tests.bench $(ARGS)

clean: ## Take away .venv and what was built.
	rm -rf $(VENV) build dist *.egg-info
