# The commands of a checkout. Each makes the virtual environment first when it is missing or out of date.
.DEFAULT_GOAL := help
.PHONY: help setup run demo test chaos check prove rebuild bench generate lock clean

PYTHON := .venv/bin/python

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv from requirements.lock
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3 python "$$HOME"/.pyenv/versions/3.1[123]*/bin/python3; do \
	  if "$$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null; then \
	    exec "$$python" -I tools/setup.py; \
	  fi; \
	done; \
	echo "No Python 3 was found; install 3.11, 3.12 or 3.13, for example: apt-get install python3 python3-venv"; exit 1

run: setup ## start the whole system with its backing services; Ctrl-C stops it
	@exec $(PYTHON) -m server.standalone

# Three at once, since most of them wait; of those that run against a whole stack two, each with stacks of its own.
AT_ONCE := tests/unit tests/contract

test: setup ## run every test against real services (TESTS=tests/unit: only those)
ifdef TESTS
	$(PYTHON) -m pytest $(TESTS)
else
	@failed=0; \
	$(PYTHON) -m pytest --numprocesses 3 --dist loadfile $(AT_ONCE) || failed=1; \
	$(PYTHON) -m pytest --numprocesses 2 --dist loadfile $(addprefix --ignore=,$(AT_ONCE)) || failed=1; \
	exit $$failed
endif

chaos: setup ## kill and restart processes many times under load (ROUNDS=10), compare ledgers and answers
	MILLRACE_CHAOS_ROUNDS=$(or $(ROUNDS),10) $(PYTHON) -m pytest tests/e2e/test_events_under_fire.py \
	  tests/e2e/test_rolling_restarts.py tests/e2e/test_grpc_journey.py \
	  tests/e2e/test_jobs_under_fire.py tests/e2e/test_jobs_promises.py \
	  tests/e2e/test_media_faults.py tests/e2e/test_hostile_pictures.py

check: setup ## format, lint, types, import rules, protobuf contract, TypeScript client
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports --no-cache
	$(PYTHON) tools/contract.py check
	$(PYTHON) tools/typescript.py check

prove: setup ## show that the running stack lost no job and counted every event once: live, raw and rollups agree
	@$(PYTHON) -m server.jobs prove; jobs=$$?; $(PYTHON) -m server.analytics prove; counts=$$?; \
	  exit $$(( jobs > counts ? jobs : counts ))

rebuild: setup ## count the running stack's days again from raw rows (FROM=2026-11-01 TO=2026-11-23)
	@$(PYTHON) -m server.analytics rebuild --from "$(FROM)" --to "$(TO)"

bench: setup ## measure the budgets and write the results
	$(PYTHON) -m tests.bench

generate: setup ## write the protobuf code and the TypeScript types again
	$(PYTHON) tools/contract.py generate
	$(PYTHON) tools/typescript.py generate

lock: setup ## pin the dependencies again (UPGRADE=1: to the newest that fit)
	$(PYTHON) tools/lock.py
	$(PYTHON) tools/typescript.py lock

clean: ## remove what running and testing left behind (.venv and node_modules stay)
	@for python in $(PYTHON) python3 python "$$HOME"/.pyenv/versions/3.1[123]*/bin/python3; do \
	  if "$$python" -c '' 2>/dev/null; then "$$python" -m server.standalone.clean || exit 1; break; fi; \
	done
	rm -rf build dist clients/typescript/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find clients edge server tests tools workers -name __pycache__ -type d -prune -exec rm -rf {} +
