// SPDX-License-Identifier: Apache-2.0
//
// The texts are what gRPC said: C++ 1.51.1 with OpenSSL 3.0, and Python 1.85,
// to nginx 1.22, Envoy 1.40 and a backpropd.
#include "client/cpp/connection_fault.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cpp/call_status.h"

namespace backprop {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kConnecting[] =
    "failed to connect to all addresses; last error: UNKNOWN: "
    "ipv4:127.0.0.1:443: ";

TEST(ConnectionFaultTest, WhatGrpcSaysIsUnderstood) {
  const struct {
    std::string text;
    ConnectionFault fault;
  } cases[] = {
      {std::string(kConnecting) +
           "Ssl handshake failed: SSL_ERROR_SSL: error:0A000086:SSL "
           "routines::certificate verify failed",
       ConnectionFault::kUntrusted},
      {std::string(kConnecting) +
           "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: "
           "error:1000007d:SSL routines:OPENSSL_internal:"
           "CERTIFICATE_VERIFY_FAILED: certificate has expired: OK",
       ConnectionFault::kUntrusted},
      {std::string(kConnecting) +
           "Peer name wrong.example is not in peer certificate",
       ConnectionFault::kWrongName},
      {std::string(kConnecting) +
           "Custom verification check failed with error: UNAUTHENTICATED: "
           "Hostname Verification Check failed.",
       ConnectionFault::kWrongName},
      {std::string(kConnecting) +
           "Ssl handshake failed: SSL_ERROR_SSL: error:0A00010B:SSL "
           "routines::wrong version number",
       ConnectionFault::kNoTls},
      {std::string(kConnecting) +
           "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: "
           "error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER",
       ConnectionFault::kNoTls},
      {std::string(kConnecting) + "Trying to connect an http1.x server",
       ConnectionFault::kHttp1},
      {std::string(kConnecting) +
           "Failed to connect to remote host: Connection refused",
       ConnectionFault::kNobodyAnswers},
      {std::string(kConnecting) + "No route to host",
       ConnectionFault::kNobodyAnswers},
      {std::string(kConnecting) + "Socket closed", ConnectionFault::kClosed},
      {std::string(kConnecting) + "Broken pipe", ConnectionFault::kClosed},
      {std::string(kConnecting) + "Endpoint read failed",
       ConnectionFault::kClosed},
      {std::string(kConnecting) + "Unwrap failed (TSI_DATA_CORRUPTED)",
       ConnectionFault::kClosed},
      {std::string(kConnecting) + "Failed to create security handshaker.",
       ConnectionFault::kTlsFiles},
      {"empty address list: ", ConnectionFault::kTlsFiles},
      {"DNS resolution failed for nosuch.invalid:1: C-ares status is not "
       "ARES_SUCCESS qtype=AAAA name=nosuch.invalid is_balancer=0: Domain "
       "name not found",
       ConnectionFault::kUnknownName},
      {"errors resolving nosuch.invalid:1: [field:hostname lookup error]",
       ConnectionFault::kUnknownName},
      {"Received http2 header with status: 413", ConnectionFault::kTooLarge},
      {"Received http2 header with status: 404", ConnectionFault::kNoRoute},
      {"Received http2 header with status: 504", ConnectionFault::kNoBackend},
      {"Received RST_STREAM with error code 2", ConnectionFault::kCut},
      // Not while it connects: an open stream broke.
      {"Socket closed", ConnectionFault::kNone},
      {"the server is shutting down", ConnectionFault::kNone},
      {"", ConnectionFault::kNone},
  };
  for (const auto& known : cases)
    EXPECT_EQ(ConnectionFaultIn(known.text), known.fault) << known.text;
}

TEST(ConnectionFaultTest, EveryFaultHasAMeaning) {
  for (int fault = 1; fault <= static_cast<int>(ConnectionFault::kCut); ++fault)
    EXPECT_NE(MeaningOf(static_cast<ConnectionFault>(fault)), "") << fault;
  EXPECT_EQ(MeaningOf(ConnectionFault::kNone), "");
}

TEST(ConnectionFaultTest, StatusSaysTheMeaningFirstAndKeepsTheText) {
  const absl::Status status =
      FromGrpc({grpc::StatusCode::UNAVAILABLE,
                std::string(kConnecting) + "Connection refused"});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ConnectionFaultOf(status), ConnectionFault::kNobodyAnswers);
  EXPECT_EQ(std::string(status.message()), "nobody answers at that address (" +
                                               std::string(kConnecting) +
                                               "Connection refused)");
}

TEST(ConnectionFaultTest, ARefusalThatNoBackpropdSignedIsAProxys) {
  const absl::Status status =
      FromGrpc({grpc::StatusCode::PERMISSION_DENIED, "RBAC: access denied"});
  EXPECT_EQ(ConnectionFaultOf(status), ConnectionFault::kRefused);
  EXPECT_THAT(std::string(status.message()), HasSubstr("RBAC: access denied"));
  // With details it is backpropd's own.
  const absl::Status own = FromGrpc({grpc::StatusCode::PERMISSION_DENIED,
                                     "not yours", "details of any kind"});
  EXPECT_EQ(ConnectionFaultOf(own), ConnectionFault::kNone);
  EXPECT_EQ(own.message(),
            "not yours (what else the server says of it came damaged)");
}

}  // namespace
}  // namespace backprop
