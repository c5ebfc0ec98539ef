# fmlib: `make` shows what can be made; everything installs itself first.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help report test lint lab bench readme audit fuzz torture lock clean

PYTHON ?= python3
DATASET ?= synthetic
PROFILE ?= quick
SEED ?= 0
JOBS ?=
EXTERNAL ?=
OUT ?=
DIR ?=

READY := .venv/.installed
RUN := .venv/bin/python

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  make report [DATASET=synthetic|face-mask-12k|DIR] [PROFILE=smoke|quick|full] [EXTERNAL="DIR ..."]'
	@echo '              [OUT=DIR] [JOBS=N] [SEED=N]'

report: $(READY) ## run the six notebooks and build the site (site/, or OUT=DIR)
	$(RUN) -m fmlib report --dataset "$(DATASET)" --profile "$(PROFILE)" --seed "$(SEED)" $(if $(JOBS),--jobs "$(JOBS)") \
		$(foreach folder,$(EXTERNAL),--external "$(folder)") $(if $(OUT),--out "$(OUT)")

test: $(READY) ## run the tests, two modules at a time where there are two cores
	$(RUN) -m pytest --numprocesses auto --maxprocesses 2 --dist loadfile $(ARGS)

lint: $(READY) ## check style and formatting
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

lab: $(READY) ## open the notebooks in JupyterLab
	.venv/bin/jupyter lab --ServerApp.kernel_spec_manager_class=fmlib.lab.ThisInterpreter \
		--notebook-dir=. notebooks/01_data.ipynb

bench: $(READY) ## run the benchmarks of speed and rewrite the tables of them (README, docs/speed.md)
	@status=0; for file in $$(grep -l -e '"--keep"' benchmarks/*.py); do echo "== $$file"; \
		$(RUN) "$$file" --keep || status=1; done; \
		$(RUN) benchmarks/rows.py; exit $$status

readme: $(READY) ## rewrite the tables of README and docs from the CSV files in figures/
	$(RUN) -m fmlib.readme

audit: $(READY) ## look for leaks, duplicates and shortcuts in DIR=folder
	$(RUN) -m fmlib audit "$(DIR)"

fuzz: $(READY) ## put FILES=2000 broken pictures through everything that opens pictures
	$(RUN) tests/fuzz_images.py --files $(or $(FILES),2000) --seed "$(SEED)"

torture: $(READY) ## kill a smoke report KILLS=30 times at random moments and compare what comes out
	$(RUN) tests/torture.py --kills $(or $(KILLS),30) --seed "$(SEED)"

lock: $(READY) ## write requirements.txt, every version, from requirements.in
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 requirements.in -o requirements.txt

clean: ## remove the site, caches and finished runs; keeps .venv and data
	rm -rf site .fmlib .pytest_cache .ruff_cache .hypothesis
	find fmlib tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml requirements.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	test -x $(RUN) || $(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check uv==0.13.9
	VIRTUAL_ENV=.venv .venv/bin/uv pip install --quiet --compile-bytecode -e '.[dev]'
	touch $@
