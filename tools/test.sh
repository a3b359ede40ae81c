#!/bin/sh
# Everything that CI runs, in the order in which a mistake is cheapest to find.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin

echo "== ruff"
$bin/ruff check --quiet .
$bin/ruff format --check --quiet .

echo "== autograder lint"
$bin/autograder lint

echo "== pytest"
$bin/pytest --quiet --numprocesses 2 --dist loadscope

echo "== nbval: every solution re-executed, outputs compared"
$bin/pytest --quiet --nbval --nbval-sanitize-with tests/nbval_sanitize.cfg --nbval-cell-timeout 120 \
  --numprocesses 2 --dist loadscope --ignore-glob='*.py' solutions
