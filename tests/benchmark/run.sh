#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the benchmarks, runs them, prints tables and writes
# build/benchmark.json. Takes about eight minutes on an otherwise idle machine;
# figures from a busy one mean nothing.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly programs=build/benchmark/tests/benchmark

deploy/install_packages.sh build benchmark
cmake --preset benchmark
cmake --build --preset benchmark --parallel "${BACKPROP_JOBS:-$(nproc)}"

"${programs}/kernel_benchmark"
"${programs}/wire_benchmark" \
  --backpropd build/benchmark/server/backpropd \
  --echo-server "${programs}/echo_server" \
  --pytorch-service tests/benchmark/pytorch_service.py \
  --fann-driver "${programs}/fann_driver" \
  --json build/benchmark/wire.json
"${programs}/crowd_benchmark" \
  --backpropd build/benchmark/server/backpropd \
  --json build/benchmark/crowd.json
tests/benchmark/engine_benchmark.py --drivers "${programs}" \
  --with build/benchmark/wire.json build/benchmark/crowd.json \
  --json build/benchmark.json
echo "Figures are in build/benchmark.json."
