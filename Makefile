# make demo   sets up, then shows the whole path on sounds made on the spot (about five minutes on two cores)
# make test   sets up, then runs the tests; make test-slow those that take minutes; make test-all both
# make test-lesser  runs those that compute scores as a lesser processor rounds
# make docs   builds the documentation into build/site
# make results  which of the papers' claims hold here; ONLY=ID one of them, DEVICE=cuda in full (docs/claims.md)
# make check  the linters, the types and the layers; make bench measures speed side by side with other tools
# Everything lives in .venv, which is made once and reused.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test test-slow test-all test-lesser test-lowest check format bench results docs clean

setup: .venv/ready

# what users' packages and developers' packages are pinned to
PINS := -c constraints.txt -c constraints-dev.txt

.venv/ready: pyproject.toml constraints.txt constraints-dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q $(PINS) torch
	$(BIN)/python -m pip install -q $(PINS) -e '.[train,export,openvino,media,serve,cluster,dev]'
	touch .venv/ready

demo: setup
	rm -rf demo
	$(BIN)/earmark demo --out demo

# a process a core with one thread each: most tests are too small to share among threads. What is compiled is kept, whatever
# the environment says: the program for those that tests start, and the tests, whose asserts pytest writes anew, for the next run
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist worksteal

test: setup
	$(PYTEST)

test-slow: setup
	$(PYTEST) -m slow

# both in one run, which shares what it starts with: what a change must pass
test-all: setup
	$(PYTEST) -m "slow or not slow"

# with other kernels of torch, of oneDNN and of MKL, and other last bits in batches of other sizes, as on some processors: see
# "What is promised of numbers" in docs/numbers.md
test-lesser: setup
	LESSER=1 ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2 $(PYTEST) tests -m "numerical and not slow"

# with the lowest release of each package that pyproject.toml allows, in an environment of their own
test-lowest: setup
	.ci/lowest

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/python -m pip install -q $(PINS) -e '.[bench]'
	$(BIN)/python -m benchmarks.run

# small trainings on a CPU, those of the recipes on an accelerator; what has ended is not done again
results: setup
	$(BIN)/python -m claims.run $(if $(ONLY),--only $(ONLY)) $(if $(DEVICE),--device $(DEVICE)) $(if $(JOBS),--jobs $(JOBS))

docs: setup
	$(BIN)/python -m pip install -q $(PINS) -e '.[docs]'
	$(BIN)/mkdocs build -q --strict

clean:
	rm -rf .venv demo build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
