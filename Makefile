# Everything sets itself up: a virtual environment in .venv, pinned and hashed dependencies, then the job.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test bench bench-anatomy bench-nodules train fuzz lint lock clean

demo: $(READY)
	$(BIN)/clearlung demo -o demo --force

test: $(READY)
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

bench: $(READY)
	$(BIN)/python -m benchmarks

# Half an hour of malformed input, see fuzz/README.md.
fuzz: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r fuzz/requirements.txt
	$(BIN)/python -m fuzz.run out/fuzz 30

bench-anatomy: $(READY)
	$(BIN)/python -m benchmarks anatomy

bench-nodules: $(READY)
	$(BIN)/python -m benchmarks nodules

# Fits the network that finds nodules: SCANS names folders with a scan and its outlined tumor, see training/README.md.
train: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "torch==2.13.0" onnx
	$(BIN)/python -m training $(SCANS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(READY): requirements.lock pyproject.toml
	$(PYTHON) tools/check_python.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

# Renews the pins after a change in pyproject.toml (needs uv on the path).
lock:
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
	    --extra dev pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) demo out .pytest_cache .mypy_cache .ruff_cache
