#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# lint.sh VENV_DIR
#
# Style and types of the Python client and its tests. What that needs, and the
# tests, is installed into the virtual environment VENV_DIR, which is kept for
# the next run; PYTHON names another interpreter than python3.
set -euo pipefail

if [[ $# -ne 1 ]]; then
  echo "usage: $0 VENV_DIR" >&2
  exit 2
fi
venv="$(realpath --canonicalize-missing "$1")"

cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
readonly package=client/python tests=tests/client/python

# What the package needs changes with its pyproject.toml only.
if ! cmp --silent "${package}/pyproject.toml" "${venv}/pyproject.toml"; then
  "${PYTHON:-python3}" -m venv --clear "${venv}"
  "${venv}/bin/pip" install --quiet --disable-pip-version-check \
    "./${package}[progress,test]"
  cp "${package}/pyproject.toml" "${venv}/pyproject.toml"
fi

export PYTHONDONTWRITEBYTECODE=1
"${venv}/bin/ruff" check --quiet --no-cache --config "${package}/pyproject.toml" "${package}" "${tests}"
"${venv}/bin/ruff" format --check --quiet --no-cache --config "${package}/pyproject.toml" "${package}" "${tests}"
MYPYPATH="${package}/src:${tests}" "${venv}/bin/mypy" --config-file "${package}/pyproject.toml" \
  --cache-dir "${venv}/mypy" "${package}/src" "${package}/examples" "${package}"/generate_*.py "${tests}"
