# Everything runs from here; each target sets up what it needs. `make` lists the targets.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LIBRARIES := $(VENV)/.libraries
JOBS ?= 2
WITH ?= $(PYTHON)
# What a process compiles, the hundreds that the suite starts need not compile again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help report test wheel exhaustive bench check accept net keep answer program matrix lint golden schema pins clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/make \1\t\2/' | column -t -s $$'\t'

$(READY): pyproject.toml .ci/constraints.txt
	@echo "Setting up $(VENV) (once; TensorFlow is large)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; pass one as: make PYTHON=/path/to/python3.11"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c .ci/constraints.txt -e '.[tensorflow,fast,dev]'
	@touch $@

$(LIBRARIES): $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c .ci/constraints.txt -e '.[torch,optax,tf-keras]'
	@touch $@

report: $(READY)  ## run every case against every subject and write reports/latest/
	@$(BIN)/python -m parity report --jobs $(JOBS)

test: $(READY)  ## run the test suite
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m "not exhaustive"

wheel: $(READY)  ## run the suite against the installed wheel, without TensorFlow: make wheel WITH=python3.13
	@folder=$$(mktemp -d) && $(BIN)/python tests/wheel.py $(WITH) $$folder -n $(JOBS) && rm -rf $$folder

exhaustive: $(READY)  ## run the tests that hold every wrong optimizer against every case (half an hour; once a day)
	@$(BIN)/python -m pytest -n $(JOBS) -m exhaustive

check: $(READY)  ## fail if any outcome is not the accepted one in reports/baseline/; writes reports/latest/ too
	@$(BIN)/python -m parity check '*' --report reports/latest --jobs $(JOBS)

accept: $(READY)  ## make what the last `make check` obtained the baseline
	@$(BIN)/python -m parity accept

answer: $(READY)  ## measure the question anew and write reports/answer/ (minutes; finished runs are kept in .parity/)
	@$(BIN)/python -m parity.explain.answer --jobs $(JOBS)

program: $(READY)  ## answer the posted program beside its Keras model anew into reports/program/, for the report (a minute)
	@$(BIN)/python -m parity.explain.whole.publish

matrix: $(LIBRARIES)  ## what every library's optimizers are, into reports/matrix/ (installs PyTorch, optax and tf_keras)
	@$(BIN)/python -m parity.diagnosis.publish
	@$(BIN)/python -m parity.diagnosis.libraries

# Recorded beside the tree, so that the commit in the sheets is not called dirty for the sheets themselves.
golden: $(READY)  ## record tf.keras anew into cases/golden/ (its README says which cells, and why those)
	@rm -rf .parity/golden && mkdir -p .parity && cp -R cases/golden .parity/golden
	@tr '\n' '\0' < cases/golden/cells.txt | xargs -0 $(BIN)/python -m parity record --subject keras-eager --output .parity/golden
	@$(BIN)/python -m parity record 'rmsprop/plain[float32]' --subject keras-graph --subject keras-xla --output .parity/golden
	@rm -rf cases/golden/keras-* && cp -R .parity/golden/keras-* cases/golden/ && rm -rf .parity/golden

bench: $(READY)  ## measure speed and memory side by side, into reports/latest/bench.json (about ten minutes)
	@$(BIN)/python tests/bench/bench.py

net: $(READY)  ## fail if what diagnose, explain, export, fuzz, the plugin and others say is not as kept in tests/net/kept/
	@$(BIN)/python tests/net/net.py compare

keep: $(READY)  ## make what the commands say now what `make net` compares with
	@$(BIN)/python tests/net/net.py keep

lint: $(READY)  ## linter, formatter and type checker
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

schema: $(READY)  ## write cases/schema.json anew from the model
	@$(BIN)/python -m parity.case.spec > cases/schema.json

pins: $(READY)  ## write the versions that are installed now to .ci/constraints.txt
	@{ head -1 .ci/constraints.txt; $(BIN)/python -m pip freeze --all --exclude pip --exclude-editable; } > .ci/constraints.new
	@mv .ci/constraints.new .ci/constraints.txt

clean:  ## remove the environment, caches and the last report
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .parity build *.egg-info reports/latest
