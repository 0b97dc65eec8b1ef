#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh go|java|rust|typescript|all BACKPROPD SCRATCH
#
# Does what a stranger with the folder proto does: generates a client in a
# language, without a flag that tells where its packages lie, builds it with the
# language's ordinary tool, and trains XOR with it on a server that it starts
# from the program BACKPROPD. Everything that is made goes under SCRATCH, where
# it serves the next run.
#
# Exit code 77, and a line that says why: the language's tool is not here, or
# too old; with `all`: no language's is as it should be.
set -euo pipefail

readonly skipped=77
readonly languages=(go java rust typescript)

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
proto="$(cd "${here}/../../proto" && pwd)"
readonly here proto

fail() {
  printf 'run.sh: %s\n' "$*" >&2
  exit 1
}

skip() {
  printf 'skipped: %s\n' "$*"
  exit "${skipped}"
}

# require TOOL AT_LEAST COMMAND...: COMMAND prints TOOL's version.
require() {
  local tool="$1" least="$2" text version  # 1.24 of "go version go1.24 linux/amd64"
  shift 2
  command -v "${tool}" >/dev/null || skip "there is no ${tool} here"
  # Standard error holds no version, but may hold numbers (JAVA_TOOL_OPTIONS).
  text="$("$@" 2>/dev/null)" || skip "${tool} does not run here: $("$@" 2>&1)"
  # A first release has no dot: "javac 21", "javac 25-ea".
  [[ "${text}" =~ [0-9]+(\.[0-9]+)+ || "${text}" =~ [0-9]+ ]] ||
    skip "${tool} tells no version: ${text}"
  version="${BASH_REMATCH[0]}"
  [[ "$(printf '%s\n' "${least}" "${version}" | sort --version-sort | head -n 1)" == "${least}" ]] ||
    skip "${tool} is ${version}; the client's packages need ${least}"
}

# The least versions are those that go.mod, pom.xml, Cargo.toml and package.json
# ask for.
check_go() { require go 1.24 go version; }
check_java() {
  require javac 17.0 javac --version
  require mvn 3.6 mvn --version
}
check_rust() { require cargo 1.88 cargo --version; }
check_typescript() {
  require node 18.0 node --version
  require npm 7.0 npm --version
}

build_go() {
  export GOTOOLCHAIN=local GOBIN="${PWD}/bin"
  go install -buildvcs=false tool
  PATH="${GOBIN}:${PATH}" protoc -I "${proto}" --go_out=. --go-grpc_out=. \
    "${proto}"/backprop/v1/*.proto
  go build -buildvcs=false -mod=readonly -o bin/xor .
}
run_go() { bin/xor "$1"; }

# Maven runs its own protoc, with -I of the folder `proto` and nothing else.
build_java() {
  mvn --batch-mode --no-transfer-progress "-Dproto=${proto}" compile \
    dependency:build-classpath -Dmdep.outputFile=target/classpath.txt \
    &>maven.log || fail "$(cat maven.log)"
}
run_java() {
  java -cp "target/classes:$(<target/classpath.txt)" com.example.xor.Xor "$1"
}

# build.rs runs protoc.
build_rust() { PROTO="${proto}" cargo build --quiet; }
run_rust() { target/debug/xor "$1"; }

build_typescript() {
  # Packages change with the lock file only.
  if ! cmp --silent package-lock.json node_modules/installed.json; then
    npm ci --loglevel=error --ignore-scripts --no-audit --no-fund
    cp package-lock.json node_modules/installed.json
  fi
  mkdir -p generated
  protoc -I "${proto}" --plugin=node_modules/.bin/protoc-gen-ts_proto \
    --ts_proto_out=generated \
    --ts_proto_opt=outputServices=grpc-js,env=node,forceLong=bigint,importSuffix=.js \
    backprop/v1/training_service.proto google/rpc/error_details.proto
  node_modules/.bin/tsc
}
run_typescript() { node dist/src/xor.js "$1"; }

server=
stop_server() {
  if [[ -n "${server}" ]]; then
    kill "${server}" 2>/dev/null || true
    wait "${server}" 2>/dev/null || true
  fi
}

# Starts the server on ports that are free; sets `address`.
start_server() {
  : >server.log  # there before it is looked into
  "${backpropd}" --grpc-address=127.0.0.1:0 --http-address=127.0.0.1:0 2>server.log &
  server=$!
  trap stop_server EXIT
  local tries
  for ((tries = 0; tries < 300; ++tries)); do
    address="$(sed -n 's/.*"message":"serving".*"grpc_address":"\([^"]*\)".*/\1/p' server.log)"
    if [[ -n "${address}" ]]; then return; fi
    kill -0 "${server}" 2>/dev/null || fail "backpropd ended: $(cat server.log)"
    sleep 0.1
  done
  fail "backpropd did not serve: $(cat server.log)"
}

test_language() {
  local language="$1"
  "check_${language}"
  mkdir -p "${scratch}/${language}"
  rm -rf "${scratch:?}/${language}/src"
  cp -a "${here}/${language}/." "${scratch}/${language}"
  cd "${scratch}/${language}"
  local begin="${SECONDS}"
  "build_${language}"
  printf '%s: built in %d s\n' "${language}" "$((SECONDS - begin))"
  start_server
  "run_${language}" "${address}"
}

# In turn, each in a process of its own; what became of them is told at the end.
test_all() {
  local language code failed=() passed=()
  for language in "${languages[@]}"; do
    code=0
    "${BASH_SOURCE[0]}" "${language}" "${backpropd}" "${scratch}" || code=$?
    case ${code} in
      0) passed+=("${language}") ;;
      "${skipped}") ;;
      *) failed+=("${language}") ;;
    esac
  done
  [[ ${#failed[@]} -eq 0 ]] || fail "failed: ${failed[*]}"
  [[ ${#passed[@]} -gt 0 ]] || skip "no client was run"
  printf 'passed: %s\n' "${passed[*]}"
}

[[ $# -eq 3 ]] || fail "usage: tests/clients/run.sh go|java|rust|typescript|all BACKPROPD SCRATCH"
backpropd="$(realpath "$2")"
scratch="$(realpath --canonicalize-missing "$3")"
readonly backpropd scratch
[[ -x "${backpropd}" ]] || fail "there is no program ${backpropd}"
case " ${languages[*]} all " in
  *" $1 "*) ;;
  *) fail "there is no client in $1; there are: ${languages[*]}" ;;
esac
if [[ "$1" == all ]]; then test_all; else test_language "$1"; fi
