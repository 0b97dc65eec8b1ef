#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Sees to it that the build finds an OpenBLAS: the distribution's where that is
# new enough; else the one that NumPy's and SciPy's maintainers build, from PyPI
# (deploy/openblas_wheel.txt pins it), in build/openblas; where that cannot be
# had, the distribution's, old as it is. Says what it installs; nothing is
# missing: no output, no network. An old one that it made do with is something
# missing: each run asks PyPI again.
#
# BACKPROP_OPENBLAS=distribution or =wheel: that one and no other.
set -euo pipefail

# engine/openblas.cmake reads it here.
readonly oldest=0.3.29

here="$(dirname "${BASH_SOURCE[0]}")"
readonly here
readonly folder="${here}/../build/openblas"
readonly pins="${here}/openblas_wheel.txt"
readonly choice="${BACKPROP_OPENBLAS:-}"

fail() {
  printf 'install_openblas.sh: %s\n' "$*" >&2
  exit 1
}

# Whether version $1, which may be empty, is new enough.
new_enough() {
  [[ -n "$1" ]] &&
    [[ "$(printf '%s\n' "${oldest}" "$1" | sort --version-sort | head -n 1)" \
      == "${oldest}" ]]
}

# The version of the distribution's OpenBLAS: as it is installed, or as apt
# offers it without what Debian adds; empty if there is none.
installed_version() { pkg-config --modversion openblas 2>/dev/null || true; }
offered_version() {
  apt-cache show --no-all-versions libopenblas-pthread-dev 2>/dev/null |
    sed -n 's/^Version: \([0-9.]*\).*/\1/p'
}

wheel_is_there() { cmp --quiet "${pins}" "${folder}/pins.txt"; }

# The Python whose pip is asked: Debian's, which python3-pip is for, where that has
# one; whatever Python somebody put before it may have none.
python_with_pip() {
  if /usr/bin/python3 -m pip --version >/dev/null 2>&1; then
    echo /usr/bin/python3
  else
    echo python3
  fi
}

# Beside its place first: what is there is whole. One retry: where there is no
# network, waiting for it helps nobody. What people have set pip to do for
# themselves (--user, nothing outside a virtual environment) makes it refuse this.
install_wheel() {
  echo "Installing OpenBLAS into build/openblas with pip:" \
    "$(grep -o '^[^#]*==[^ ]*' "${pins}") (8 MB)."
  rm -rf "${folder}.new"
  if ! PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 "$(python_with_pip)" -m pip \
    install --quiet --disable-pip-version-check --root-user-action ignore \
    --retries 1 --timeout 30 --no-compile --no-deps --only-binary :all: \
    --require-hashes --requirement "${pins}" --target "${folder}.new"; then
    rm -rf "${folder}.new"
    return 1
  fi
  cp "${pins}" "${folder}.new/pins.txt"
  rm -rf "${folder}"
  mv "${folder}.new" "${folder}"
}

install_distributions() { "${here}/install_packages.sh" openblas; }

case "${choice}" in
  distribution) install_distributions ;;
  wheel)
    wheel_is_there || install_wheel || fail "pip could not install what" \
      "${pins} names (above it says why), and BACKPROP_OPENBLAS asks for it"
    ;;
  "")
    if new_enough "$(installed_version)" || wheel_is_there; then exit 0; fi
    if new_enough "$(offered_version)"; then
      install_distributions
    elif ! install_wheel; then
      cat >&2 <<END
install_openblas.sh: pip could not install OpenBLAS from PyPI (above it says
why). Going on with the distribution's, older than ${oldest}. It does not know
processors newer than itself and gives them older ones' kernels: forward and
backward passes then take up to twice the time, and some processors have been
reported to compute wrongly with it (backpropd looks when it starts). The next
run asks PyPI again; with BACKPROP_OPENBLAS=distribution none does.
END
      install_distributions
    fi
    ;;
  *) fail "BACKPROP_OPENBLAS is '${choice}'; use distribution or wheel, or" \
    "leave it empty" ;;
esac
