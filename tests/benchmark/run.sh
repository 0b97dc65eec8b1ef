#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the benchmark, runs it, prints a table and writes
# build/benchmark.json. Takes about two minutes on an otherwise idle machine;
# figures from a busy one mean nothing.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

deploy/install_packages.sh build
cmake --preset benchmark
cmake --build --preset benchmark --parallel "${BACKPROP_JOBS:-$(nproc)}" \
  --target backpropd wire_benchmark echo_server
build/benchmark/tests/benchmark/wire_benchmark \
  --backpropd build/benchmark/server/backpropd \
  --echo-server build/benchmark/tests/benchmark/echo_server \
  --json build/benchmark.json
echo "Figures are in build/benchmark.json."
