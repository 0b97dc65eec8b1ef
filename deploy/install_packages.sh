#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian packages of the named lists (deploy/packages/LIST.txt)
# that are missing, and for the list build an OpenBLAS (install_openblas.sh); says
# what before it does. Nothing is missing: no output, no network, no rights
# needed. An OpenBLAS that is too old is something missing, at each run.
#
#   deploy/install_packages.sh build test
set -euo pipefail

here="$(dirname "${BASH_SOURCE[0]}")"
readonly here
readonly packages_dir="${here}/packages"
readonly policy=/usr/sbin/policy-rc.d
as_root=()

fail() {
  printf 'install_packages.sh: %s\n' "$*" >&2
  exit 1
}

# The packages of list $1, one a line.
listed() {
  local file="${packages_dir}/$1.txt"
  [[ -f "${file}" ]] || fail "there is no list $1; the lists are:" \
    "$(cd "${packages_dir}" && printf '%s ' *.txt | sed 's/\.txt//g')"
  sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "${file}"
}

# Whether package $1 is wholly installed (not merely known, or half removed).
installed() {
  [[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" \
    == installed ]]
}

# install PACKAGE... from Debian; says that it does.
install() {
  echo "About to install from Debian (lists: ${lists}): $*"
  if [[ ${EUID} -ne 0 ]]; then
    command -v sudo >/dev/null || fail "installing needs root: run as root, or" \
      "install sudo, or run: apt-get install $*"
    as_root=(sudo)
  fi
  # Debian starts a service as soon as it is installed (Prometheus among them);
  # nothing that is wanted here is wanted running.
  if [[ ! -e "${policy}" ]]; then
    trap '"${as_root[@]}" rm -f "${policy}"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "${policy}" >/dev/null
    "${as_root[@]}" chmod 755 "${policy}"
  fi
  "${as_root[@]}" apt-get update -qq
  # --no-upgrade: what is there already stays as it is.
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install \
    --yes -qq --no-install-recommends --no-upgrade "$@" \
    -o Dpkg::Use-Pty=0 >/dev/null
  echo "Installed."
}

[[ $# -gt 0 ]] || fail "usage: deploy/install_packages.sh LIST..."
readonly lists="$*"
command -v apt-get >/dev/null || fail "there is no apt-get here; install by" \
  "your own means what stands in ${packages_dir}"

# Not read straight from listed: a process substitution loses its exit status.
wanted=""
for list in "$@"; do
  names="$(listed "${list}")"
  wanted+="${names}"$'\n'
done
missing=()
while read -r package; do
  if [[ -n "${package}" ]] && ! installed "${package}"; then
    missing+=("${package}")
  fi
done <<<"${wanted}"
if [[ ${#missing[@]} -gt 0 ]]; then install "${missing[@]}"; fi
if [[ " ${lists} " == *" build "* ]]; then "${here}/install_openblas.sh"; fi
