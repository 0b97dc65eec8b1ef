#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs a build into an empty prefix, then configures, builds and runs a
# project that knows nothing of our tree.
# usage: package_test.sh BUILD_DIR CONSUMER_DIR CXX CMAKE
set -eu
build=$1 consumer=$2 cxx=$3 cmake=$4
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
DESTDIR='' "$cmake" --install "$build" --prefix "$scratch/prefix" \
  --component client > "$scratch/install.log"
"$cmake" -S "$consumer" -B "$scratch/build" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_PREFIX_PATH="$scratch/prefix" -DCMAKE_CXX_COMPILER="$cxx" \
  > "$scratch/configure.log"
"$cmake" --build "$scratch/build" > "$scratch/build.log" \
  || { cat "$scratch/build.log"; exit 1; }
"$scratch/build/consumer"
# Nothing installed may point back into the tree or the build.
if grep -rlF -e "$build" "$scratch/prefix" --include='*.cmake' --include='*.h'
then
  echo "the files above name the build folder" >&2
  exit 1
fi
