#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the benchmarks, runs them, prints tables, writes build/benchmark.json and
# draws it, build/benchmark.svg. Takes about fourteen minutes on an otherwise idle
# machine; figures from a busy one mean nothing.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly programs=build/benchmark/tests/benchmark
readonly peers=build/peers  # a virtual environment, kept for the next run

deploy/install_packages.sh build benchmark
if ! cmp --silent tests/benchmark/peers.txt "${peers}/peers.txt"; then
  /usr/bin/python3 -m venv --clear "${peers}"
  "${peers}/bin/pip" install --quiet --disable-pip-version-check \
    --only-binary :all: --require-hashes --requirement tests/benchmark/peers.txt
  cp tests/benchmark/peers.txt "${peers}/peers.txt"
fi
cmake --preset benchmark
cmake --build --preset benchmark --parallel "${BACKPROP_JOBS:-$(nproc)}"

"${programs}/kernel_benchmark"
"${programs}/wire_benchmark" \
  --backpropd build/benchmark/server/backpropd \
  --echo-server "${programs}/echo_server" \
  --pytorch-service tests/benchmark/pytorch_service.py \
  --fann-driver "${programs}/fann_driver" \
  --jax-python "${peers}/bin/python" \
  --jax-driver tests/benchmark/jax_driver.py \
  --json build/benchmark/wire.json
"${programs}/crowd_benchmark" \
  --backpropd build/benchmark/server/backpropd \
  --json build/benchmark/crowd.json
"${programs}/durable_benchmark" \
  --backpropd build/benchmark/server/backpropd \
  --data-dir build/benchmark/durable \
  --json build/benchmark/durable.json
tests/benchmark/engine_benchmark.py --drivers "${programs}" --peers "${peers}" \
  --with build/benchmark/wire.json build/benchmark/crowd.json \
    build/benchmark/durable.json \
  --json build/benchmark.json
tests/benchmark/picture/draw_figures.py build/benchmark.json build/benchmark.svg
echo "Figures are in build/benchmark.json, and drawn in build/benchmark.svg."
