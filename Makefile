# Headwater: `make demo` and `make test` are the two commands; `make help` lists the rest.

PYTHON ?= python3
VENV := .venv/bin
COMPOSE := $(PYTHON) docker/compose.py
JOBS ?= auto

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo local stop migrate test test-soak test-compose metrics faults bench bench-dbt new-source lint format lock up down clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## make .venv with the hash-locked requirements
	@$(PYTHON) local/bootstrap.py

install-dev: ## the same with what tests and lint need
	@$(PYTHON) local/bootstrap.py --dev

demo: install ## run the whole pipeline to a delivered day without Docker, and show it; again: the next day
	@$(VENV)/python -m local demo

local: install ## leave the same stack running, with the Airflow UI on 127.0.0.1
	@$(VENV)/python -m local start

stop: ## end what `make local` started
	@test ! -x $(VENV)/python || $(VENV)/python -m local stop

migrate: install ## bring the warehouse at WAREHOUSE_URL up to date
	@$(VENV)/python -m warehouse migrate

test: install-dev ## unit, embedded-Postgres and end-to-end tests, a file to a worker; JOBS=1 runs them one by one
	@$(VENV)/python -m pytest --numprocesses $(JOBS) --dist loadfile

test-soak: install-dev ## kill every sync at every point; live hundreds of random lives (20 minutes at most)
	@$(VENV)/python -m tests.soak

metrics: install ## renew docs/metrics.md out of the marts' own descriptions
	@$(VENV)/python -m quality metrics --write

faults: install-dev ## run the tests of what happens when something breaks; renew docs/faults.md
	@$(VENV)/python -m pytest -p tests.faults_page --faults-page docs/faults.md -m fault

new-source: install ## write a REST source's files: NAME=helpdesk [STREAM=tickets] [PAGING=cursor] [URL=https://...]
	@$(VENV)/python -m ingestion new-source "$(NAME)" $(if $(URL),--url "$(URL)") $(if $(PAGING),--paging "$(PAGING)") \
	  $(if $(STREAM),--stream "$(STREAM)")

bench: install-dev ## measure the dbt stage, the syncs, and charges beside dlt, Singer and COPY (20 minutes)
	@$(VENV)/python -m bench dbt-stage
	@$(VENV)/python -m bench sync
	@$(VENV)/python -m bench versus --write

bench-dbt: install-dev ## dbt's day on a history thirty times as long; builds and dashboard queries of 2 million orders
	@$(VENV)/python -m bench daily-cost --write
	@$(VENV)/python -m bench large-shop --write

lint: install-dev ## ruff, mypy and sqlfluff
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy
	$(VENV)/sqlfluff lint -q dbt/models dbt/tests

format: install-dev ## let ruff and sqlfluff put things in order
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .
	$(VENV)/sqlfluff fix -q dbt/models dbt/tests

lock: install-dev ## renew the locks from pyproject.toml
	$(VENV)/uv pip compile --system-certs --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-strip-extras -q --upgrade pyproject.toml -o requirements.txt
	$(VENV)/uv pip compile --system-certs --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-strip-extras -q --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

up: ## bring up the whole stack on Docker Compose and wait until it is healthy
	@$(COMPOSE) up

down: ## stop the Docker stack; the data stay
	@$(COMPOSE) down

clean: ## say what would be deleted (data, state, .venv), ask, and delete it
	@$(COMPOSE) clean

test-compose: install-dev ## prove the Docker stack: stand-in images, up, a delivered day, down
	@$(VENV)/python -m pytest -s -o timeout=1800 tests/compose/check_stack.py
