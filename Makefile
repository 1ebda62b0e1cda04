# granpipe: `make all` runs the pipeline over SRC, `make test` the tests. Both set up .venv first.

SRC    ?= img
OUT    ?= out
COPIES ?= 5
SEED   ?= 0
PORT   ?= 8000
HOST   ?= 127.0.0.1
PYTHON ?= python3
# Not every shell makes a home of the tilde in SRC=~/fields.
override SRC := $(patsubst ~/%,$(HOME)/%,$(SRC))
override OUT := $(patsubst ~/%,$(HOME)/%,$(OUT))

# What `make test` leaves to `make test-left`; pyproject.toml says what the marks mean.
LEFT := servers or spark or browser or slow or extras

BIN := .venv/bin
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
endif

# Where Python may not keep what it has compiled, it compiles all tests in each process.
unexport PYTHONDONTWRITEBYTECODE

# Test processes take whole files, in the order of tests/conftest.py.
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

INSTALL := $(BIN)/python -m pip install --quiet --editable

.PHONY: all prepare augment map test test-left test-all lint fuzz bench serve clean help
.NOTPARALLEL:  # two of pip in one .venv
.DEFAULT_GOAL := help

all: prepare augment map  ## prepare, augment and map the photographs of SRC

prepare: .venv/installed  ## photographs of SRC -> arrays in OUT
	$(BIN)/granpipe prepare "$(SRC)" "$(OUT)"

augment: prepare  ## copies of the arrays in OUT
	$(BIN)/granpipe augment "$(OUT)" --copies $(COPIES) --seed $(SEED)

map: .venv/installed  ## map of SRC
	$(BIN)/granpipe map "$(SRC)" -o map.html --offline
	@echo 'map.html opens on outlines. On satellite images: $(BIN)/granpipe map "$(SRC)" -o map.html'

test: .venv/installed-dev  ## run the tests that need neither servers nor a browser nor patience
	$(PYTEST) --hypothesis-profile few -m "not ($(LEFT))"

test-left: .venv/installed-all  ## run the tests that `make test` leaves, and draw more examples
	$(PYTEST) -m "$(LEFT) or hypothesis"

test-all: .venv/installed-all  ## run all tests; those of Spark need Java, those of the page Chromium
	$(PYTEST)

lint: .venv/installed-dev  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fuzz: .venv/installed-dev  ## damage thousands of files, and see what becomes of them
	$(BIN)/python tests/fuzz.py

bench: .venv/installed-dev  ## measure speed beside what others do
	$(BIN)/python tests/bench.py

serve: .venv/installed-service  ## take photographs by HTTP and prepare them, until Ctrl-C; HOST=0.0.0.0 for phones
	@mkdir -p state; [ -s state/token ] || (umask 077; \
	$(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(16))' > state/token); \
	export GRANPIPE_TOKEN="$${GRANPIPE_TOKEN:-$$(cat state/token)}"; unset GRANPIPE_OPEN; \
	here=$(HOST); [ $(HOST) != 0.0.0.0 ] || here=$$($(BIN)/python -c 'import socket; \
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(("192.0.2.1", 9)); \
	print(s.getsockname()[0])' 2> /dev/null || echo 127.0.0.1); \
	echo "http://$$here:$(PORT)/#$$GRANPIPE_TOKEN"; \
	echo "curl -H 'Authorization: Bearer $$GRANPIPE_TOKEN'" \
	"-F file=@img/corn/DSC_0093.JPG -F label=corn http://$$here:$(PORT)/post_image"; \
	$(BIN)/python -m granpipe.service.worker & worker=$$!; \
	trap 'kill $$worker 2> /dev/null; wait $$worker' EXIT; trap 'exit 0' INT TERM; \
	$(BIN)/python -m granpipe.service --host $(HOST) --port $(PORT) & \
	web=$$!; trap 'kill $$web $$worker 2> /dev/null; wait' EXIT; wait $$web

clean:  ## delete .venv and what the commands wrote
	rm -rf .venv "$(OUT)" map.html dist

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14
	@echo "Variables: SRC=$(SRC) OUT=$(OUT) COPIES=$(COPIES) SEED=$(SEED) PYTHON=$(PYTHON)"

.venv/made: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "granpipe needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1):" \
	"make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

# Each has what those above it have, so that they need not be installed after it.
.venv/installed: .venv/made
	$(INSTALL) '.[heic,offline]'
	@touch $@

.venv/installed-service: .venv/made
	$(INSTALL) '.[heic,offline,s3,service]'
	@touch .venv/installed $@

.venv/installed-dev: .venv/made
	$(INSTALL) '.[dev,heic,offline,s3,service]'
	@touch .venv/installed .venv/installed-service $@

.venv/installed-all: .venv/made
	$(INSTALL) '.[dev,heic,offline,s3,service,spark,fields]' polars webdataset datasets
	@touch .venv/installed .venv/installed-service .venv/installed-dev $@
