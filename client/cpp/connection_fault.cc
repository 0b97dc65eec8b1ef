// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/connection_fault.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace backprop {
namespace {

// The texts of gRPC 1.51 with OpenSSL, and of 1.85 with BoringSSL; the first
// that fits holds.
constexpr struct {
  const char* text;
  ConnectionFault fault;
} kTexts[] = {
    {"certificate verify failed", ConnectionFault::kUntrusted},
    {"certificate_verify_failed", ConnectionFault::kUntrusted},
    {"is not in peer certificate", ConnectionFault::kWrongName},
    {"hostname verification check failed", ConnectionFault::kWrongName},
    {"wrong version number", ConnectionFault::kNoTls},
    {"wrong_version_number", ConnectionFault::kNoTls},
    {"http1.x server", ConnectionFault::kHttp1},
    {"connection refused", ConnectionFault::kNobodyAnswers},
    {"dns resolution failed", ConnectionFault::kUnknownName},
    {"errors resolving", ConnectionFault::kUnknownName},
    {"empty address list", ConnectionFault::kTlsFiles},
    {"failed to create security handshaker", ConnectionFault::kTlsFiles},
    {"http2 header with status: 401", ConnectionFault::kRefused},
    {"http2 header with status: 403", ConnectionFault::kRefused},
    {"http2 header with status: 404", ConnectionFault::kNoRoute},
    {"http2 header with status: 413", ConnectionFault::kTooLarge},
    {"http2 header with status: 502", ConnectionFault::kNoBackend},
    {"http2 header with status: 503", ConnectionFault::kNoBackend},
    {"http2 header with status: 504", ConnectionFault::kNoBackend},
    {"rst_stream", ConnectionFault::kCut},
};

// What a connection ends with that was taken and closed at once. An open
// stream may end with these too, so they tell something only with kConnecting.
constexpr const char* kEnds[] = {"socket closed", "endpoint read failed",
                                 "broken pipe", "connection reset",
                                 "unwrap failed"};
constexpr char kConnecting[] = "failed to connect to all addresses";

}  // namespace

ConnectionFault ConnectionFaultIn(const std::string& text) {
  const std::string lower = absl::AsciiStrToLower(text);
  for (const auto& known : kTexts) {
    if (absl::StrContains(lower, known.text)) return known.fault;
  }
  if (!absl::StrContains(lower, kConnecting)) return ConnectionFault::kNone;
  for (const char* end : kEnds) {
    if (absl::StrContains(lower, end)) return ConnectionFault::kClosed;
  }
  return ConnectionFault::kNobodyAnswers;
}

std::string MeaningOf(ConnectionFault fault) {
  switch (fault) {
    case ConnectionFault::kNone:
      return "";
    case ConnectionFault::kNobodyAnswers:
      return "nobody answers at that address";
    case ConnectionFault::kUnknownName:
      return "the name in the address is not known";
    case ConnectionFault::kUntrusted:
      return "the server's certificate is not vouched for by an authority "
             "that is trusted here, or has expired";
    case ConnectionFault::kWrongName:
      return "the server's certificate is for another name than the one asked "
             "for";
    case ConnectionFault::kNoTls:
      return "the server at that address does not speak TLS";
    case ConnectionFault::kHttp1:
      return "what answers at that address speaks no gRPC, or expects TLS";
    case ConnectionFault::kClosed:
      return "the server closed the connection while it was made: it may "
             "expect TLS, or a client's certificate that it knows";
    case ConnectionFault::kTlsFiles:
      return "TLS cannot be set up: the client's certificate and key do not "
             "belong together, or a file holds no valid certificate";
    case ConnectionFault::kRefused:
      return "a proxy did not let the call pass";
    case ConnectionFault::kNoRoute:
      return "what answers at that address leads to no backpropd";
    case ConnectionFault::kTooLarge:
      return "a proxy takes no message or stream of this size";
    case ConnectionFault::kNoBackend:
      return "a proxy answers, but reaches no backpropd";
    case ConnectionFault::kCut:
      return "the stream was cut on its way, as proxies do with streams that "
             "are silent, large or last long";
  }
  return "";
}

}  // namespace backprop
