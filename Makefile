READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test chaos lint format bench soak overload lock clean

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

setup: $(READY)  ## install everything into .venv and .voxflow (2 to 6 minutes the first time)
	@echo "ready: .venv/bin/voxflow --help shows the commands"

$(READY): requirements.lock setup.cfg pyproject.toml pipeline/local/pom.xml scripts/setup
	@echo "setting up"
	@scripts/setup
	@touch $@

demo: $(READY)  ## start everything, speak a recording into it, show its text
	@.venv/bin/voxflow demo

test: $(READY)  ## run all tests; some start Kafka and Flink (without those: .venv/bin/pytest -m "not e2e")
	@.venv/bin/pytest

chaos: $(READY)  ## break everything while people speak, and see that no final changes (about 15 minutes)
	@.venv/bin/python -m tests.chaos

lint: $(READY)  ## check style and types
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

format: $(READY)  ## bring the code into its usual form
	@.venv/bin/ruff check --fix --quiet .
	@.venv/bin/ruff format .

bench: $(READY)  ## measure it all, next to its peers; figures, plots and a table in perf/results (under half an hour)
	@.venv/bin/python -m perf.bench

soak: $(READY)  ## let sessions come and go for ten minutes, look for leaks (longer: .venv/bin/python -m tests.soak --help)
	@.venv/bin/python -m tests.soak

overload: $(READY)  ## speak faster than the machine can listen, look for losses (about six minutes)
	@.venv/bin/python -m tests.soak.overload

lock: $(READY)  ## pin the newest versions that setup.cfg allows, in requirements.lock
	CUSTOM_COMPILE_COMMAND="make lock" .venv/bin/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe \
	  --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	  --extra dev --output-file requirements.lock setup.cfg

clean:  ## stop the local stack; remove .venv, .voxflow (topics too) and caches
	@[ ! -x .venv/bin/voxflow ] || .venv/bin/voxflow down
	rm -rf .venv .voxflow .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
