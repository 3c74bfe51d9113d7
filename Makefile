# Every command sets the environment up first; that costs nothing when it is ready. `make help` lists them.
#
#   make run ARGS="--data photos/"        arguments of the command behind a target
#   make setup PYTHON=/path/to/python3.12 another interpreter than the first fitting one on the PATH
#   make setup TORCH_INDEX=<index>        torch from that index alone (CONTRIBUTING.md, "Set-up")

.DEFAULT_GOAL := help
.PHONY: help setup run test test-quick fuzz lint format lock golden notebooks catalogue docs wheel sbom audit wheels images sboms test-faults test-images test-cluster test-platform bench load clean

# Containers and CI often set this; the tests start hundreds of processes, and each would compile every module anew.
export PYTHONDONTWRITEBYTECODE :=

BIN := .venv/bin
COMPILED := pipelines/compiled

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

setup: ## make or update .venv
	@set -- $(if $(PYTHON),"$(PYTHON)",python3 python3.11 python3.12 python3.13); \
	for python do \
		"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
		&& exec env -u PYTHONSAFEPATH "$$python" .ci/setup_venv.py; \
	done; \
	echo "Forebay needs Python 3.11, 3.12 or 3.13. Tried:" >&2; \
	for python do \
		echo "  $$python: $$("$$python" --version 2>/dev/null || echo not found)" >&2; \
	done; \
	echo "On Debian and Ubuntu: apt-get install python3 python3-venv. Or name one: make PYTHON=/path/to/python3.12" >&2; \
	exit 1

run: setup ## raw images -> a served model and a curl that answers; ARGS go to `forebay run`
	@$(BIN)/forebay run $(ARGS)

test: lint ## everything .ci/run checks; ARGS go to pytest
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-quick: setup ## ruff, and the tests that the change touches, the nearest first, for two minutes; ARGS go to pytest
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python .ci/changed_tests.py $(ARGS)

fuzz: setup ## 10 000 requests that are almost right, against a real server; FOREBAY_FUZZ_SEED chooses others
	FOREBAY_FUZZ_REQUESTS=$${FOREBAY_FUZZ_REQUESTS:-10000} $(BIN)/pytest -q -s -n 0 tests/serving/app/test_fuzz.py $(ARGS)

lint: setup ## ruff, mypy --strict on src, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: setup ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup ## write the hashes of constraints.txt anew, from the index that pip is configured for
	$(BIN)/python .ci/renew_lock.py

golden: setup ## compile the pipelines, render the chart and write the tables of docs/ anew, all of which tests compare
	$(BIN)/forebay compile --out $(COMPILED)/training.yaml
	$(BIN)/forebay compile --pipeline tuning --out $(COMPILED)/tuning.yaml
	$(BIN)/forebay compile --pipeline batch --out $(COMPILED)/batch.yaml
	$(BIN)/python manifests/write.py
	FOREBAY_GOLDEN=write $(BIN)/pytest -q tests/helm -k golden
	FOREBAY_GOLDEN=write $(BIN)/pytest -q tests/faults/test_page.py tests/docs/test_settings_page.py
	FOREBAY_GOLDEN=write $(BIN)/pytest -q tests/docs/test_commands.py -k table_of_commands

notebooks: setup ## run the notebooks and write their outputs anew; FOREBAY_CIFAR10_TAR gives them photos
	FOREBAY_GOLDEN=write $(BIN)/pytest -q tests/notebooks

catalogue: setup ## write the list of torchvision's and timm's networks anew, after a change of their versions; some fifteen minutes
	OMP_NUM_THREADS=1 $(BIN)/python .ci/model_catalogue.py

docs: setup ## build the pages of docs/ into a site, build/site/index.html; nothing is fetched
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Open build/site/index.html"

wheel: setup ## build dist/forebay-*.whl, and list what it needs, with hashes: dist/requirements.txt
	rm -rf build/lib build/bdist.*
	$(BIN)/pip wheel --no-deps --no-build-isolation --wheel-dir dist .
	$(BIN)/python .ci/wheel_lock.py

sbom: setup ## list what the wheel brings along: dist/sbom/environment.cdx.json (CycloneDX) and .txt
	$(BIN)/python .ci/sbom.py dist/sbom

audit: setup ## ask a vulnerability service about every package of the lock; ARGS go to .ci/audit.py
	$(BIN)/python .ci/audit.py $(ARGS)

wheels: setup ## fetch every wheel of the images into build/wheels, for `make images` behind a mirror or offline
	index="$${TORCH_INDEX:-$$(sed -n 's/.*"torch_index": "\(.*\)".*/\1/p' $(dir $(BIN))ready.json)}"; \
	$(BIN)/python .ci/fetch_wheels.py build/wheels $${index:+"$$index"}

images: setup ## build the container images; WHEELS, JARS, WEIGHTS, BASE, TORCH_INDEX, PIP_INDEX_URL, … change from what
	$(BIN)/python docker/build.py $(if $(WHEELS),--wheels $(WHEELS)) $(if $(JARS),--jars $(JARS)) $(if $(WEIGHTS),--weights $(WEIGHTS)) $(ARGS)

sboms: setup ## build the container images and list what they hold: dist/sbom/*.cdx.json (CycloneDX) and *.txt
	@$(MAKE) --no-print-directory images ARGS="--sbom dist/sbom $(ARGS)"

test-faults: setup ## try every fault of docs/faults.md, the slow ones too; ARGS go to pytest
	FOREBAY_TEST_FAULTS=1 $(BIN)/pytest tests/faults $(ARGS)

test-images: setup ## build the container images, then run them and the pipeline in them; ARGS go to pytest
	@$(MAKE) --no-print-directory sboms ARGS=
	FOREBAY_TEST_IMAGES=1 $(BIN)/pytest tests/live/container_images $(ARGS)

test-cluster: setup ## run the tests against the cluster of KUBECONFIG, and write to it; ARGS go to pytest
	FOREBAY_TEST_CLUSTER=1 $(BIN)/pytest tests/live/cluster $(ARGS)

test-platform: setup ## run pipelines on the cluster of KUBECONFIG, where `forebay up` installed the platform; ARGS go to pytest
	FOREBAY_TEST_PLATFORM=1 $(BIN)/pytest tests/live/platform $(ARGS)

bench: setup ## measure against plain tools side by side; ARGS go to `python -m benchmarks`
	$(BIN)/python -m benchmarks $(ARGS)

load: setup ## 500 requests a second for ten minutes, and how long the answers take; ARGS go to `python -m benchmarks.load`
	$(BIN)/python -m benchmarks.load $(ARGS)

clean: ## remove the environment and what was built; runs and models in .forebay stay
	rm -rf .venv build dist src/forebay.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
