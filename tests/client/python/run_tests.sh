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

"${tests}/lint.sh" "${venv}"

# Built anew each time: its version says nothing of changes.
"${venv}/bin/pip" install --quiet --disable-pip-version-check \
  --force-reinstall --no-deps "./${package}"

export PYTHONDONTWRITEBYTECODE=1
"${venv}/bin/pytest" -p no:cacheprovider "${tests}"
