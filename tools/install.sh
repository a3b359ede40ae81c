#!/bin/sh
# Create .venv and install the project with its pinned packages; one clear sentence if it cannot.
set -u
cd "$(dirname "$0")/.." || exit 1
say() { printf 'make: %s\n' "$1" >&2; exit 1; }

python=${PYTHON:-python3}
command -v "$python" >/dev/null 2>&1 ||
  say "no $python found: install Python 3.11 or newer, or name one with PYTHON=/path/to/python3."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  say "$("$python" --version 2>&1) is too old: Descent needs Python 3.11 or newer (name another with PYTHON=/path/to/python3)."
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
  say "this Python cannot create environments: install its venv package (on Debian and Ubuntu: apt install python3-venv)."

if [ ! -x .venv/bin/pip ]; then
  echo "Creating .venv"
  "$python" -m venv .venv || say "could not create .venv; the message above says why."
fi

echo "Installing packages into .venv (a few minutes the first time)"
.venv/bin/pip install --quiet --disable-pip-version-check \
  --constraint constraints.txt --editable '.[test]' ||
  say "could not install the packages. Without a network this works only once they are installed; otherwise the lines above say what is missing."
