.DEFAULT_GOAL := help
PY := .venv/bin/python
HOUSE ?= house

.PHONY: help setup demo up test test-all test-pg lint bench frontend lock

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/'

setup:  ## Debian packages that are missing, then .venv from the hashed locks
	@scripts/setup

demo: setup  ## the whole line, nine steps, into ./house and demo.json
	@.venv/bin/proofhouse demo --house $(HOUSE) --json demo.json

up: setup  ## the portal of the review office on 127.0.0.1 (AS=lab|office|clearinghouse|…)
	@.venv/bin/proofhouse up --house $(HOUSE) --as $(or $(AS),office)

test: setup lint  ## what every change must pass
	@$(PY) -m pytest -n 2 -m "not slow"

test-all: setup lint  ## with the slow suites, and tier T1 where gVisor can be fetched
	@scripts/gvisor || true
	@$(PY) -m pytest -n 2 --cov --cov-report=term:skip-covered

test-pg: setup  ## the suite against a PostgreSQL server of its own, installed where it is missing
	@scripts/postgres $(PY) -m pytest -n 2 -m "not slow"

lint: setup  ## style, types, import contracts, rules of the house
	@.venv/bin/ruff check src tests benchmarks
	@.venv/bin/ruff format --check src tests benchmarks
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@$(PY) scripts/house_lint.py

bench: setup  ## every benchmark, quickly
	@for b in benchmarks/[a-z]*.py; do echo "== $$b"; $(PY) $$b --quick || exit 1; done

frontend:  ## the portal's stylesheet from frontend/ (needs npm; its result is committed)
	@cd frontend && npm ci --ignore-scripts --no-audit --no-fund && npm run build

lock:  ## renew requirements/*.txt
	@scripts/lock
