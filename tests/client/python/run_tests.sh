#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run_tests.sh VENV_DIR BACKPROPD
#
# Installs the Python client into a virtual environment as a user does, with
# pip, checks its style and types, and tests it, also against the server
# program BACKPROPD. The environment is kept in VENV_DIR for the next run;
# PYTHON names another interpreter than python3.
set -euo pipefail

if [[ $# -ne 2 ]]; then
  echo "usage: $0 VENV_DIR BACKPROPD" >&2
  exit 2
fi
venv="$(realpath --canonicalize-missing "$1")"
BACKPROPD="$(realpath "$2")"
export BACKPROPD

cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
readonly package=client/python tests=tests/client/python

# What the package needs changes with its pyproject.toml only ...
if ! cmp --silent "${package}/pyproject.toml" "${venv}/pyproject.toml"; then
  "${PYTHON:-python3}" -m venv --clear "${venv}"
  "${venv}/bin/pip" install --quiet --disable-pip-version-check \
    "./${package}[progress,test]"
  cp "${package}/pyproject.toml" "${venv}/pyproject.toml"
fi
# ... but the package itself is built anew: its version says nothing of changes.
"${venv}/bin/pip" install --quiet --disable-pip-version-check \
  --force-reinstall --no-deps "./${package}"

export PYTHONDONTWRITEBYTECODE=1
"${venv}/bin/ruff" check --quiet --no-cache --config "${package}/pyproject.toml" "${package}" "${tests}"
"${venv}/bin/ruff" format --check --quiet --no-cache --config "${package}/pyproject.toml" "${package}" "${tests}"
MYPYPATH="${package}/src:${tests}" "${venv}/bin/mypy" --config-file "${package}/pyproject.toml" \
  --cache-dir "${venv}/mypy" "${package}/src" "${package}/examples" "${package}"/generate_*.py "${tests}"
"${venv}/bin/pytest" -p no:cacheprovider "${tests}"
