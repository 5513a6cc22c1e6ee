# `make check` is all that a change has to pass. Each of its parts can be called alone.
PYTHON ?= python

export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MPLBACKEND := Agg

.PHONY: check format-check lint type test doctest wheel test-slow format docs figures
.NOTPARALLEL:

check: format-check lint type test doctest wheel

format-check:
	$(PYTHON) -m ruff format --check .

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m codespell_lib .

type:
	$(PYTHON) -m mypy

test:
	$(PYTHON) -m pytest -n auto --dist worksteal

doctest:
	$(PYTHON) -m pytest --doctest-modules tnhop

# Build, install into a clean environment, run from outside the checkout.
wheel:
	PYTHON="$(PYTHON)" bash .ci/wheel

# pytest ends with 5 where no test is marked slow.
test-slow:
	$(PYTHON) -m pytest -n auto --dist worksteal -m slow || test $$? -eq 5

format:
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

# The site, in build/docs. Every warning is an error, references that lead nowhere included.
docs:
	$(PYTHON) -m sphinx -b html -E -n -W --keep-going docs build/docs

# The figures of calibration and convergence; FLAGS=--plot-only redraws them from the data.
figures:
	set -e; for study in studies/validation/[a-z]*.py studies/convergence/[a-z]*.py; do \
		$(PYTHON) $$study $(FLAGS); \
	done
