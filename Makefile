# Needs python3 (3.11 or later) and make; everything else goes into .venv.
PYTHON := .venv/bin/python
KINETIC := $(PYTHON) -m kinetic
DONE := .venv/.done

.PHONY: demo test lint docs bench clean

# Trains a small recognition network and a small generator on the embedded motions, scores and draws what came out.
demo: $(DONE)
	rm -rf runs/demo runs/demo_encoder
	$(KINETIC) fit experiments/demo_encoder.yaml --out runs/demo_encoder
	$(KINETIC) fit experiments/demo.yaml experiments/fast.yaml --out runs/demo
	$(KINETIC) evaluate runs/demo --encoder runs/demo_encoder
	$(KINETIC) sample runs/demo --count 1 -o runs/demo/motions.npz
	$(KINETIC) plot runs/demo/motions.npz --count 12 -o runs/demo/motions.png
	$(KINETIC) plot runs/demo/motions.npz --count 12 -o runs/demo/motions.webp
	@echo "look at runs/demo/motions.png and runs/demo/motions.webp"

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
	$(PYTHON) -m pip install -q --disable-pip-version-check -r requirements.txt
	@touch $@
