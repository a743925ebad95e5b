# Everything a fresh machine with Python 3.11+ and make needs.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin

.PHONY: demo test torture check docs install bench clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: install
	$(RUN)/vestnik demo $(ARGS)

# One process more than there are cores: some of the time a test waits for its database or for another process.
test: install
	$(RUN)/pytest -n $(shell $(PYTHON) -c "import os; print((os.cpu_count() or 1) + 1)") $(ARGS)

# 200 crashes on both databases; the last line is the verdict. ARGS="50 7": fifty, in another order.
torture: install
	$(RUN)/python -m tests.torture $(ARGS)

check: install
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports

# The tables of README.md and the references in docs/, made of the code.
docs: install
	$(RUN)/python -m core.docs

# Beside the same stack without a database, empty and with a million past events: 20 minutes, 16 GB. ARGS=--quick: a look in three;
# ARGS="--only accepts --past 0": one part alone. Into tests/bench/results/.
bench: install
	$(RUN)/python -m tests.bench $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info
