# Two commands do all the set-up: `make run` and `make test`. Everything else is for people who work on the project.
SHELL := /bin/bash
PYTHON ?= python3
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test check lint bench model lungs page docs clean

PAGE := src/deephealth/service/page/index.html

run: .venv/ready $(PAGE) ## install, then run the main job: phantom films, audit, train, evaluate, predict
	@examples/main_path.sh .venv/bin/deephealth $${RUN_DIR:-runs/first}

test: .venv-test/ready $(PAGE) ## install what the tests need and run them all
	@tools/system_packages.sh
	.venv-test/bin/python -m pytest -n 2 --dist worksteal $(PYTEST)

check: .venv-test/ready $(PAGE) ## the fast part of the tests and the linters, in under two minutes
	.venv-test/bin/python -m pytest -n 2 --dist worksteal -m "not slow and not train" -q
	$(MAKE) --no-print-directory lint

lint: .venv-test/ready $(PAGE) ## ruff, mypy, the layer contract, the docs, the page's types and units
	.venv-test/bin/ruff check .
	.venv-test/bin/ruff format --check .
	.venv-test/bin/mypy
	.venv-test/bin/lint-imports
	.venv-test/bin/python tools/check_docs.py
	tools/node.sh npm run --silent check
	tools/node.sh npm run --silent test

bench: .venv-test/ready ## ratios measured in one run
	.venv-test/bin/python -m benchmarks $(BENCH)

model: .venv-test/ready ## train the model that ships from the films in ../shared, and five folds; measure; write file, card and page; resumable
	OMP_NUM_THREADS=1 .venv-test/bin/python -m studies.shipped

lungs: .venv-test/ready ## train the lung finder that ships, from the films and masks in ../shared, and judge it on held-out patients
	OMP_NUM_THREADS=1 .venv-test/bin/python tools/train_lungs.py

page: $(PAGE) ## build the page from frontend/ into the package

docs: .venv-test/ready ## write the generated parts of the docs again
	.venv-test/bin/python tools/check_docs.py --write

clean: ## remove environments and caches, keep runs
	rm -rf .venv .venv-test .venv-node frontend/node_modules src/deephealth/service/page .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# One environment for users, without PyTorch; another for tests, with it. The stamp is written last, so a broken install is done again.
.venv/ready: pyproject.toml constraints.txt tools/make_venv.sh
	@tools/make_venv.sh .venv "$(PYTHON)" ".[serve]"
.venv-test/ready: pyproject.toml constraints.txt tools/make_venv.sh
	@tools/make_venv.sh .venv-test "$(PYTHON)" ".[serve,postgres,train,huggingface,tensorboard,openvino,tensorflow,notebook,dev]"

$(PAGE): tools/node.sh frontend/package-lock.json frontend/index.html frontend/vite.config.ts frontend/service_worker.ts frontend/packed.ts $(shell find frontend/src frontend/public -type f)
	@PYTHON="$(PYTHON)" tools/node.sh npm run --silent build -- --logLevel warn
