// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/passing_fault.h"

#include <string>

#include "client/cpp/call_status.h"

namespace backprop {
namespace {

// Whether gRPC's words are for what time may heal, whatever code it gave.
bool FaultMayPass(ConnectionFault fault) {
  switch (fault) {
    case ConnectionFault::kNobodyAnswers:
    case ConnectionFault::kUnknownName:
    case ConnectionFault::kClosed:
    case ConnectionFault::kNoBackend:
    case ConnectionFault::kCut:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool MayPass(const absl::Status& status) {
  const ConnectionFault fault = ConnectionFaultOf(status);
  if (fault != ConnectionFault::kNone) return FaultMayPass(fault);
  const std::string reason = ReasonOf(status);
  // A stream whose place another took is not taken up again by itself.
  const bool ended = absl::IsAborted(status) && reason != "WRITER_REPLACED";
  return absl::IsUnavailable(status) || ended || reason == "QUEUE_LIMIT" ||
         reason == "SESSION_HAS_WRITER" ||
         // A server that goes away, or a broken connection, as gRPC words it
         // sometimes.
         absl::IsCancelled(status) ||
         (absl::IsUnknown(status) && reason.empty());
}

}  // namespace backprop
