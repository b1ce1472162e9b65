# Needs python3 (3.11 or later) and make; everything else goes into .venv.
PYTHON := .venv/bin/python
KINETIC := $(PYTHON) -m kinetic
DONE := .venv/.done

.PHONY: demo test lint docs bench clean

# Trains generators with and without the four switches on embedded motions, from six seeds and on two splits, scores and
# compares them, and writes a page on which their motions play.
demo: $(DONE)
	rm -rf runs/ablation_tiny
	$(KINETIC) ablate ablation --profile tiny
	@echo "look at runs/ablation_tiny/report.html"

test: lint
	$(PYTHON) -m pytest

lint: $(DONE)
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy

docs: $(DONE)
	$(PYTHON) -m pip install -q -c constraints.txt -e .[docs]
	$(PYTHON) -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@echo docs/_build/html/index.html

bench: $(DONE)
	$(PYTHON) -m benchmarks

clean:
	rm -rf .venv build dist docs/_build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(DONE): setup.cfg pyproject.toml constraints.txt requirements.txt
	python3 -m venv .venv
	$(PYTHON) -m pip uninstall -qq -y kinetic  # the former name of kinetic-motion
	$(PYTHON) -m pip install -q --disable-pip-version-check -r requirements.txt
	@touch $@
