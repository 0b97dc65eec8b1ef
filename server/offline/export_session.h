// SPDX-License-Identifier: Apache-2.0
//
// A session out of a data directory as a safetensors file, with no server:
// `backpropd export`.
//
//   auto held = HoldDataDir(data_dir, "backpropd export");
//   auto exported = ExportSession(*held, {.session_id = "s-…", .file = "…"});
#ifndef BACKPROP_SERVER_OFFLINE_EXPORT_SESSION_H_
#define BACKPROP_SERVER_OFFLINE_EXPORT_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "server/store/data_dir.h"

namespace backprop {

struct SessionExport {
  std::string session_id;
  std::string file;
  bool with_state = false;  // all that it takes to go on training
  bool force = false;       // writes over a file that is there
};

struct ExportedSession {
  uint64_t step = 0;
  uint64_t digest = 0;  // of the weights
  size_t weights = 0;
  size_t state = 0;  // numbers of it in the file
};

// The session is as a server would bring it back; the file has the bytes that
// `backprop export` would write then. Changes nothing that is stored. Fails
// with ALREADY_EXISTS where the file is there, or came meanwhile,
// FAILED_PRECONDITION where the database can't be opened, NOT_FOUND where the
// session is not, DATA_LOSS where it is damaged, and as WriteWhole does where
// the file can't be written.
absl::StatusOr<ExportedSession> ExportSession(const DataDir& held,
                                              const SessionExport& request);

}  // namespace backprop

#endif  // BACKPROP_SERVER_OFFLINE_EXPORT_SESSION_H_
