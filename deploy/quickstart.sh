#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# From a bare Debian 12 to a network trained over gRPC; --help says more.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly server=build/server/backpropd
readonly client=build/client/cli/backprop
readonly sessions=build/sessions
readonly data=/usr/share/datasets/fashion-mnist
readonly start_limit_seconds=30

keep=false
data_dir=()  # the server's flag
server_pid=""
server_log=""

usage() {
  cat <<'END'
Usage: deploy/quickstart.sh [--keep] [--help]

Installs what is missing from Debian's packages (it says what; root or sudo),
builds backpropd into build/, starts it on free ports of the loopback interface,
trains a 784-128-10 network on Fashion-MNIST through gRPC, and stops it. Exits with 0 only if all of that went well and the test accuracy is at least 0.87.

  --keep   leave the server running, and say where it is; its sessions lie in
           build/sessions, where the next such server finds them
  --help   print this
END
}

fail() {
  printf 'quickstart.sh: %s\n' "$*" >&2
  exit 1
}

section() { printf '\n== %s\n' "$*"; }

# Field $1 of the server's "serving" log line, empty as long as there is none.
serving_field() {
  sed -n "/\"message\": *\"serving\"/s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" \
    "${server_log}"
}

start_server() {
  server_log="$(mktemp --tmpdir backpropd-XXXXXX.log)"
  # nohup: with --keep it outlives this terminal.
  nohup "${server}" --grpc-address=127.0.0.1:0 --http-address=127.0.0.1:0 \
    "${data_dir[@]}" </dev/null >/dev/null 2>"${server_log}" &
  server_pid=$!
  local deadline=$((SECONDS + start_limit_seconds))
  until [[ -n "$(serving_field http_address)" ]]; do
    kill -0 "${server_pid}" 2>/dev/null || fail "backpropd did not start"
    [[ ${SECONDS} -lt ${deadline} ]] ||
      fail "backpropd does not serve after ${start_limit_seconds} s"
    sleep 0.1
  done
}

# Returns the server's exit status.
stop_server() {
  local pid="${server_pid}"
  server_pid=""
  kill -TERM "${pid}" 2>/dev/null || true
  wait "${pid}"
}

# On every way out: nothing of ours goes on running that wasn't asked for.
clean_up() {
  local status=$?
  trap - EXIT
  if [[ -n "${server_pid}" ]]; then stop_server || true; fi
  if [[ ${status} -ne 0 && -s "${server_log}" ]]; then
    printf 'The last lines of %s:\n' "${server_log}" >&2
    tail -n 5 "${server_log}" >&2
  elif [[ -n "${server_log}" ]]; then
    rm -f "${server_log}"
  fi
  exit "${status}"
}

# 480,000 steps of one sample each. The rate falls in a straight line to 0:
# accuracy is then about 0.015 higher than with a constant one. Further
# arguments go to the command.
train() {
  "${client}" --address "$(serving_field grpc_address)" train \
    --images "${data}/train-images-idx3-ubyte.gz" \
    --labels "${data}/train-labels-idx1-ubyte.gz" \
    --test-images "${data}/t10k-images-idx3-ubyte.gz" \
    --test-labels "${data}/t10k-labels-idx1-ubyte.gz" \
    --layers 128:relu,10:softmax --loss cross-entropy \
    --learning-rate 0.01 --schedule polynomial --epochs 8 \
    --samples-per-message 64 --require-accuracy 0.87 "$@"
}

# Leaves the server to whoever called, and forgets it.
hand_over() {
  local http
  http="$(serving_field http_address)"
  cat <<END

The server goes on running:
  gRPC      $(serving_field grpc_address)
  sessions  ${client} --address $(serving_field grpc_address) session list
  metrics   http://${http}/metrics
  health    http://${http}/healthz (alive), http://${http}/readyz (ready)
  log       ${server_log}
  stop it   kill ${server_pid}
END
  disown "${server_pid}"
  server_pid=""
  server_log=""
}

while [[ $# -gt 0 ]]; do
  case "$1" in
    --keep) keep=true ;;
    --help | -h) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
  shift
done

if [[ "${keep}" == true ]]; then
  data_dir=(--data-dir="${sessions}")
  if [[ -e "${sessions}/lock" ]] && ! flock --nonblock "${sessions}/lock" true; then
    fail "the server of an earlier --keep still runs: $(tr '\n' ' ' <"${sessions}/lock")"
  fi
fi

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

section "Packages"
deploy/install_packages.sh build data
echo "Everything needed is installed."

section "Build"
deploy/build.sh release backpropd backprop

section "Server"
start_server
echo "backpropd (process ${server_pid}) serves gRPC on $(serving_field grpc_address)."

section "Training 784-128-10 on Fashion-MNIST"
if [[ "${keep}" == true ]]; then
  train --keep-session
  hand_over
else
  train
  stop_server || fail "backpropd ended with status $?"
  printf '\nThe server is stopped. --keep leaves it running.\n'
fi
