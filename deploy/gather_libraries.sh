#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Gathers in a folder what a program needs of Debian's packages, and no more: its
# shared libraries, at the places where it looks for them, and of each package
# that they are from its licence and its record, the latter where scanners of
# images without dpkg look for it. For the Dockerfile.
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

# The package that file $1 is from; fails if it is from none. By its name alone:
# dpkg knows /lib/x where it lies in /usr/lib/x.
package_of() {
  dpkg-query --search "*/$(basename "$(realpath "$1")")" 2>/dev/null |
    head -n 1 | cut -d : -f 1 | grep .
}

linked="$(ldd "${program}")"
[[ "${linked}" != *"not found"* ]] || fail "${program} lacks a library:
${linked}"
mkdir -p "${records}"
# /lib and its kind are links into /usr.
for path in /lib /lib64; do
  if [[ -L "${path}" ]]; then cp --no-dereference "${path}" "${folder}"; fi
done
while read -r library; do
  package="$(package_of "${library}")" || continue
  place="${folder}$(realpath "$(dirname "${library}")")"
  mkdir -p "${place}" "${folder}/usr/share/doc/${package}"
  cp --dereference "${library}" "${place}"
  cp "/usr/share/doc/${package}/copyright" "${folder}/usr/share/doc/${package}"
  dpkg-query --status "${package}" >"${records}/${package}"
done < <(grep -o '/[^ ]*' <<<"${linked}")
