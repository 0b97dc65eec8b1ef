// SPDX-License-Identifier: Apache-2.0
//
// A session as a safetensors file (engine/interchange/session_tensors.h): from
// what the client library downloads, and to what CreateSession takes.
#ifndef BACKPROP_CLIENT_CLI_DATA_SESSION_FILE_H_
#define BACKPROP_CLIENT_CLI_DATA_SESSION_FILE_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "client/cpp/anchor.h"

namespace backprop::cli {

// anchor: as downloaded. with_state: all that the session is, so that another
// goes on from there; else its weights, its spec and what standardises its
// inputs. How the session was kept (SessionSpec.durability) is its server's
// matter and stays out. Fails with DATA_LOSS where the anchor's numbers are not
// those of its spec, and with UNIMPLEMENTED where a newer server says of the
// session what the protocol here has no field for.
absl::StatusOr<std::string> SessionFileBytes(const Anchor& anchor,
                                             bool with_state);

// spec: instead of the file's. Fails with what is wrong with the file, or with
// INVALID_ARGUMENT where neither says a spec.
absl::StatusOr<v1::CreateSessionRequest> ReadSessionFile(
    std::string_view bytes, const std::optional<v1::SessionSpec>& spec);

// From protobuf's JSON; `what` is said to hold it.
absl::StatusOr<v1::SessionSpec> SpecFromJson(const std::string& json,
                                             const std::string& what);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_DATA_SESSION_FILE_H_
