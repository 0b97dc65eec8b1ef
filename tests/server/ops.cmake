# SPDX-License-Identifier: Apache-2.0
# Flags, log, metrics, HTTP endpoint and process numbers.
find_package(nlohmann_json CONFIG REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)
find_program(PROMTOOL promtool REQUIRED)  # Debian's package prometheus

backprop_add_test(server_ops_test
  SOURCES ops_error_statistics_test.cc
          ops_flags_test.cc
          ops_http_endpoint_test.cc
          ops_log_test.cc
          ops_metrics_test.cc
          ops_process_stats_test.cc
  LIBRARIES backprop_server nlohmann_json::nlohmann_json PkgConfig::HTTPLIB)
target_compile_definitions(server_ops_test PRIVATE
  BACKPROP_VERSION="${PROJECT_VERSION}" PROMTOOL="${PROMTOOL}"
  TRAINING_SERVICE_PROTO="${PROJECT_SOURCE_DIR}/proto/backprop/v1/training_service.proto")
