#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the Dockerfile for real and trains against the container's server, on
# a machine without Docker's engine. Needs root; takes minutes; run by hand:
#
#   tests/deploy/build_image.sh [PATH-OF-BACKPROP]
#
# The base image is made with debootstrap from the mirror that this machine's
# apt uses, and named like the one in the Dockerfile.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly client="${1:-build/client/cli/backprop}"
readonly data=/usr/share/datasets/fashion-mnist
readonly base_image=docker.io/library/debian:bookworm-slim
readonly image=localhost/backpropd:build-test
# It was 55 when this was written, 25 of them OpenBLAS.
readonly most_megabytes=70

work="$(mktemp -d --tmpdir backpropd-image-XXXXXX)"
readonly work
container=""
run_pid=""
server_pid=""

fail() {
  printf 'build_image.sh: %s\n' "$*" >&2
  exit 1
}

section() { printf '\n== %s (%d s so far)\n' "$1" "${SECONDS}"; }

clean_up() {
  local status=$?
  trap - EXIT
  if [[ -n "${server_pid}" ]]; then kill "${server_pid}" 2>/dev/null || true; fi
  if [[ -n "${run_pid}" ]]; then wait "${run_pid}" 2>/dev/null || true; fi
  if [[ ${status} -ne 0 && -s "${work}/server.log" ]]; then
    tail -n 20 "${work}/server.log" >&2
  fi
  if [[ -n "${container}" ]]; then buildah rm "${container}" >/dev/null; fi
  rm -rf "${work}"
  exit "${status}"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# What the official slim image leaves out, so that sizes compare.
make_base() {
  local mirror root="${work}/root"
  mirror="$(apt-get indextargets --format "\$(SITE)" | awk 'NR == 1')"
  debootstrap --variant=minbase bookworm "${root}" "${mirror}" \
    >"${work}/debootstrap.log" || {
    tail "${work}/debootstrap.log" >&2
    fail "debootstrap failed"
  }
  find "${root}/usr/share/doc" -type f ! -name copyright -delete
  rm -rf "${root}"/var/cache/apt/* "${root}"/var/lib/apt/lists/* \
    "${root}"/var/log/* "${root}"/usr/share/{man,info,locale}/*
  tar -C "${root}" -c . | podman import --quiet - "${base_image}"
  rm -rf "${root}"
}

# The process named $2 among the descendants of process $1.
descendant() {
  local pid
  for pid in $(pgrep --parent "$1"); do
    if [[ "$(<"/proc/${pid}/comm")" == "$2" ]]; then
      echo "${pid}"
    else
      descendant "${pid}" "$2"
    fi
  done
}

# Field $1 of the server's "serving" log line, empty as long as there is none.
serving_field() {
  sed -n "/\"message\": *\"serving\"/s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" \
    "${work}/server.log"
}

# in_container ADDRESS COMMAND...: as the image says, but for where HTTP
# listens: chroot isolation shares this machine's network.
in_container() {
  local http_address="$1"
  shift
  buildah run --isolation chroot --env BACKPROPD_GRPC_ADDRESS=127.0.0.1:0 \
    --env "BACKPROPD_HTTP_ADDRESS=${http_address}" "${container}" -- "$@"
}

start_server() {
  container="$(buildah from "${image}")"
  in_container 127.0.0.1:0 /usr/bin/backpropd 2>"${work}/server.log" &
  run_pid=$!
  local tries
  for ((tries = 0; tries < 300; ++tries)); do
    [[ -z "$(serving_field http_address)" ]] || break
    kill -0 "${run_pid}" 2>/dev/null || fail "the container's server ended"
    sleep 0.1
  done
  server_pid="$(descendant "${run_pid}" backpropd)"
  [[ -n "${server_pid}" ]] || fail "the container's server does not serve"
}

[[ ${EUID} -eq 0 ]] || fail "debootstrap and chroot need root"
[[ -x "${client}" ]] || fail "there is no ${client}: run deploy/quickstart.sh," \
  "or name a built backprop"

section "Packages"
deploy/install_packages.sh image data

section "Base"
podman image exists "${base_image}" || make_base

section "Image"
# apt asks the mirror that it asks on this machine, and pip trusts whom it trusts.
printf '[global]\ncert = /run/ca-certificates.crt\n' >"${work}/pip.conf"
buildah bud --quiet --isolation chroot --format docker --pull-never \
  --volume /etc/apt:/etc/apt:ro --volume "${work}/pip.conf:/etc/pip.conf:ro" \
  --volume /etc/ssl/certs/ca-certificates.crt:/run/ca-certificates.crt:ro \
  --tag "${image}" . >"${work}/build.log" 2>&1 || {
  tail -n 40 "${work}/build.log" >&2
  fail "the image was not built"
}

section "Server"
start_server
uid="$(awk '/^Uid:/ {print $2}' "/proc/${server_pid}/status")"
[[ "${uid}" -ne 0 ]] || fail "the server runs as root"
echo "process ${server_pid} of user ${uid}, gRPC on $(serving_field grpc_address)"
in_container "$(serving_field http_address)" /usr/bin/backpropd healthcheck
echo "healthcheck says healthy"
if in_container 127.0.0.1:1 /usr/bin/backpropd healthcheck 2>/dev/null; then
  fail "healthcheck says healthy of a port where nobody listens"
fi

section "Training"
"${client}" --address "$(serving_field grpc_address)" train \
  --images "${data}/train-images-idx3-ubyte.gz" \
  --labels "${data}/train-labels-idx1-ubyte.gz" \
  --test-images "${data}/t10k-images-idx3-ubyte.gz" \
  --test-labels "${data}/t10k-labels-idx1-ubyte.gz" \
  --layers 128:relu,10:softmax --loss cross-entropy \
  --learning-rate 0.003 --epochs 1 --samples-per-message 32 \
  --require-accuracy 0.8

section "SIGTERM"
kill -TERM "${server_pid}"
server_pid=""
pid="${run_pid}"
run_pid=""
wait "${pid}" || fail "the server ended with status $?"
echo "the server ended with status 0"

section "Size"
megabytes=$(("$(podman image inspect --format '{{.Size}}' "${image}")" / 1000000))
echo "image ${megabytes} MB"
[[ ${megabytes} -le ${most_megabytes} ]] ||
  fail "the image is larger than ${most_megabytes} MB"
