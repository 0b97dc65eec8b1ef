#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Gathers in a folder what a program needs of Debian's packages, and no more: its
# shared libraries, at the places where it looks for them; of each package that
# they are from its licence and its record, the latter where scanners of images
# without dpkg look for it; and by what those tell the release of Debian. For the
# Dockerfile. What lies in a folder named backpropd the program brings itself.
#
#   deploy/gather_libraries.sh PROGRAM FOLDER
set -euo pipefail

fail() {
  printf 'gather_libraries.sh: %s\n' "$*" >&2
  exit 1
}

[[ $# -eq 2 ]] || fail "usage: deploy/gather_libraries.sh PROGRAM FOLDER"
readonly program="$1"
readonly folder="$2"
readonly records="${folder}/var/lib/dpkg/status.d"

# The package that file $1 is from. dpkg knows /lib/x where it lies in /usr/lib/x,
# and names diversions of such names beside packages.
package_of() {
  local path names
  path="$(realpath "$1")"
  names="$(dpkg-query --search "*${path#/usr}" 2>/dev/null |
    sed -n '/^diversion by /d; s/:.*//p' | sort -u)" || names=""
  [[ -n "${names}" ]] || fail "$1 is from no package"
  [[ "${names}" != *$'\n'* ]] ||
    fail "$1 is from several packages: ${names//$'\n'/ }"
  printf '%s\n' "${names}"
}

# Package $1's licence and record.
gather_papers() {
  mkdir -p "${folder}/usr/share/doc/$1"
  cp "/usr/share/doc/$1/copyright" "${folder}/usr/share/doc/$1"
  dpkg-query --status "$1" >"${records}/$1"
}

linked="$(ldd "${program}")"
[[ "${linked}" != *"not found"* ]] || fail "${program} lacks a library:
${linked}"
mkdir -p "${records}"
# /lib and its kind are links into /usr.
for path in /lib /lib64; do
  if [[ -L "${path}" ]]; then cp --no-dereference "${path}" "${folder}"; fi
done
# The release, and the licences that packages' own refer to.
for path in /etc/debian_version /etc/os-release /usr/lib/os-release \
  /usr/share/common-licenses; do
  place="${folder}$(dirname "${path}")"
  mkdir -p "${place}"
  cp --archive "${path}" "${place}"
done
gather_papers base-files
while read -r library; do
  if [[ "${library}" == */backpropd/* ]]; then continue; fi
  package="$(package_of "${library}")"
  place="${folder}$(realpath "$(dirname "${library}")")"
  mkdir -p "${place}"
  cp --dereference "${library}" "${place}"
  gather_papers "${package}"
done < <(grep -o '/[^ ]*' <<<"${linked}")
