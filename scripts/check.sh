#!/usr/bin/env bash
# What must hold for the source before any test runs: format, lint, types, and which room sees which.
set -euo pipefail
cd "$(dirname "$0")/.."

run() {
    printf '\n== %s\n' "$*"
    "$@"
}

run .venv/bin/ruff format --check --quiet .
run .venv/bin/ruff check --quiet --output-format concise .
run .venv/bin/mypy
run .venv/bin/lint-imports --no-cache
