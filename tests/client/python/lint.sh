#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# lint.sh [--no-install] VENV_DIR
#
# Style and types of the Python client and its tests, and whether sync/ is what
# aio/ makes of it. What that needs, and the tests, is installed into the virtual
# environment VENV_DIR, which is kept for the next run; with --no-install it must
# be there. PYTHON names another interpreter than python3.
set -euo pipefail

install=true
if [[ "${1:-}" == --no-install ]]; then
  install=false
  shift
fi
if [[ $# -ne 1 || "$1" == -* ]]; then
  echo "usage: $0 [--no-install] VENV_DIR" >&2
  exit 2
fi
readonly given="$1"
venv="$(realpath --canonicalize-missing "$1")"

cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
readonly package=client/python tests=tests/client/python

# What the package needs changes with its pyproject.toml only.
if ! cmp --silent "${package}/pyproject.toml" "${venv}/pyproject.toml"; then
  if [[ "${install}" == false ]]; then
    echo "${given} has not what ${package}/pyproject.toml asks for;" \
      "${tests}/lint.sh ${given} installs it" >&2
    exit 1
  fi
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
"${venv}/bin/python" "${package}/generate_sync.py" --check
