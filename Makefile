# The verbs of this repository; CI calls the same ones.  `make` alone lists them.
.DEFAULT_GOAL := verbs
.PHONY: verbs setup demo serve test lint bench docs
SHELL := /bin/bash

VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready
PIN   := requirements/bootstrap.txt requirements/dev.txt

verbs:
	@echo "make demo    index docs/, ask a question over the WebSocket, show the answer and its trace"
	@echo "make serve   keep a hub running and say what to try"
	@echo "make test    lint, types, import contracts and all tests"
	@echo "make lint    the first three of these"
	@echo "make bench   measure Hubbub beside plain LangGraph"
	@echo "make docs    write the reference pages of docs/ again, from the code"
	@echo "make setup   only make $(VENV), which every verb does by itself"

setup: $(READY)

# Installs once; again when a requirement changes.
$(READY): $(PIN) pyproject.toml
	@python=; for name in python3.11 python3 python3.12 python3.13; do \
	  if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Hubbub needs Python 3.11 or newer, and none is on the PATH; install python3.11, then run make again." >&2; exit 2; \
	fi; \
	if ! $$python -m venv $(VENV); then \
	  echo "Python cannot make $(VENV); install its venv module (python3-venv on Debian), then run make again." >&2; exit 2; \
	fi
	@echo "Installing into $(VENV) (a minute or two, this once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@UV_COMPILE_BYTECODE=1 $(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation \
	  --config-setting editable_mode=compat --editable .
	@$(BIN)/python -m compileall -q hub runtime hubbub plugins
	@touch $(READY)

demo: $(READY)
	@$(BIN)/hubbub demo

serve: $(READY)
	@$(BIN)/hubbub serve

# The embedding model that lies beside a checkout of the project, if one does, is for the tests alone.
ifneq ($(wildcard ../shared/models/.),)
test: export HUBBUB_MODELS ?= $(abspath ../shared/models)
endif
# In the order of the folders: those whose files take longest, for they start programs, begin.
test: lint
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	@$(BIN)/python -m bench

docs: $(READY)
	@$(BIN)/python docs/generate.py
