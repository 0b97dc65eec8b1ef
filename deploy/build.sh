#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Configures and builds a preset of CMakePresets.json; says before it builds how
# much there is to do and how long that takes.
#
#   deploy/build.sh PRESET [TARGET...]
#
# BACKPROP_JOBS: how many compilers at a time; left out: one a core.
set -euo pipefail

# Of one core, from a cold cache: an estimate, no measurement. What ccache has
# takes much less.
readonly seconds_a_step=2

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly preset="${1:?usage: deploy/build.sh PRESET [TARGET...]}"
shift
readonly jobs="${BACKPROP_JOBS:-$(nproc)}"

build=(cmake --build --preset "${preset}" --parallel "${jobs}")
if [[ $# -gt 0 ]]; then build+=(--target "$@"); fi

cmake --preset "${preset}"
steps="$("${build[@]}" -- -n | grep -c '^\[' || true)"
if [[ ${steps} -gt 1 ]]; then
  seconds=$((steps * seconds_a_step / jobs))
  echo "Building preset ${preset}: ${steps} steps, $((seconds / 60)) min" \
    "$((seconds % 60)) s with ${jobs} compilers at a time; less where ccache" \
    "knows a file."
fi
"${build[@]}"
