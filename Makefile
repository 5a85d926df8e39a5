# Everything a person runs here. Needs Python 3.11 or newer; makes its own environment in .venv.

PYTHON ?=
# One more than two processors: tests with real servers wait for a good part of their time.
JOBS ?= 3
IMAGE ?=
# What `make images` makes: hostile synthetic files debian (the last needs root on Debian, a mirror)
IMAGES ?= hostile synthetic files
TESTS ?= tests
KILLS ?= 1000
ROT ?= 1000
SEEDS ?= 10000
FIRST ?= 1
INPUTS ?= 1000000
# Where `make bench` finds v1.raw and its successors, and which benchmarks it runs: all of them.
BENCH_IMAGES ?= .cache/images/debian
BENCH ?=

export PYTHON
export PATH := $(CURDIR)/.tools/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help quickstart test bench kills rot machines copies simulate fuzz lint format minio versitygw images clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

quickstart:  ## three regions on this machine, two published versions, one proven download; IMAGE=path
	@scripts/environment.sh lab
	@.venv/bin/python scripts/quickstart.py $(if $(IMAGE),--image "$(IMAGE)")

test:  ## the whole check: tools, format, lint, types, rooms, every test; JOBS=3 TESTS=tests
	@scripts/environment.sh dev
	@scripts/test_tools.sh
	@scripts/check.sh
	.venv/bin/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder -rfEs --no-fold-skipped $(TESTS)

bench:  ## imgrepl beside what people use today, on real servers; BENCH_IMAGES=folder BENCH="start index"
	@scripts/environment.sh lab
	@scripts/bench_tools.sh
	@.venv/bin/python bench/run.py $(if $(wildcard $(BENCH_IMAGES)/v1.raw),--images "$(BENCH_IMAGES)") \
		$(if $(BENCH),--only $(BENCH))

kills:  ## every command killed at named points and random moments, KILLS=1000 times; nothing may be lost
	@scripts/environment.sh dev
	@scripts/test_tools.sh
	KILLS=$(KILLS) .venv/bin/pytest -q -s -m slow tests/e2e/test_kills.py

rot:  ## any damage to any object, ROT=1000 times: found, never served, mended or told to the byte
	@scripts/environment.sh dev
	ROT=$(ROT) .venv/bin/pytest -q -m slow tests/engine/test_rot.py

machines:  ## long random sequences of requests against small models: galleries, collecting
	@scripts/environment.sh dev
	.venv/bin/pytest -q -m slow tests/actions/test_gallery_machine.py \
		tests/engine/test_collecting_machine.py

copies:  ## copies, exports, imports and moves of a home that crash at further moments, and go on
	@scripts/environment.sh dev
	.venv/bin/pytest -q -m slow tests/actions/test_copying.py tests/actions/test_portable.py \
		tests/actions/test_moving_home.py tests/e2e/test_copies.py

simulate:  ## simulated worlds with every fault, SEEDS=10000 JOBS=3 FIRST=1; goes on where it was stopped
	@scripts/environment.sh dev
	@.venv/bin/python scripts/simulate.py --seeds $(SEEDS) --first $(FIRST) --jobs $(JOBS)

fuzz:  ## mutated images, packs and documents for every reader; INPUTS=1000000, goes on where it stopped
	@scripts/environment.sh dev
	PYTHONPATH=src:tests .venv/bin/python -m fuzz --inputs $(INPUTS) --jobs $(JOBS)

lint:  ## format, lint, types and rooms only
	@scripts/environment.sh dev
	@scripts/check.sh

format:  ## write the source as `make lint` wants it
	@scripts/environment.sh dev
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix --quiet .

minio:  ## build the MinIO server into .tools/bin
	@scripts/go_tool.sh minio

versitygw:  ## build the Versity gateway into .tools/bin
	@scripts/go_tool.sh versitygw

images:  ## images to try things with, in .cache/images; IMAGES="hostile synthetic files debian"
	@scripts/environment.sh dev
	@for mode in $(IMAGES); do \
		echo "making $$mode images in .cache/images/$$mode"; \
		.venv/bin/python tests/images/make.py --mode $$mode .cache/images/$$mode || exit; \
	done

clean:  ## remove .venv, .tools and every cache of this folder
	rm -rf .venv .tools .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find src tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} +
