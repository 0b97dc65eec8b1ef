// SPDX-License-Identifier: Apache-2.0
//
// How sessions write themselves down for the store: the form is somebody
// else's (translation/stored_session.h), for sessions know no protobuf.
#ifndef BACKPROP_SERVER_SESSIONS_SESSION_CODEC_H_
#define BACKPROP_SERVER_SESSIONS_SESSION_CODEC_H_

#include <chrono>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/contract/layout.h"
#include "server/sessions/checkpoint.h"
#include "server/sessions/history.h"
#include "server/sessions/session_spec.h"
#include "server/sessions/standing.h"
#include "server/store/store.h"

namespace backprop {

// What a stored session's head says, and its spec.
struct SessionRecord {
  SessionBirth birth;
  SessionSpec spec;
  Layout layout;  // of that spec
  Standing standing;
  HeadPieces pieces;
};

// What a head says without the spec: what has to be known of all sessions.
struct HeadRecord {
  SessionBirth birth;
  // Not before its last use by more than an eighth of expire_after.
  std::chrono::system_clock::time_point last_use;
  std::chrono::nanoseconds expire_after{0};  // 0: never
  HeadPieces pieces;
};

// Any thread.
class SessionCodec {
 public:
  virtual ~SessionCodec() = default;

  // spec: the session's of that moment, when it is in use.
  virtual std::string EncodeHead(const SessionBirth& birth,
                                 const Standing& standing,
                                 const SessionSpec& spec,
                                 const HeadPieces& pieces) const = 0;
  virtual std::string EncodeSpec(const SessionSpec& spec,
                                 const Layout& layout) const = 0;
  // From what EncodeHead gave. Fails with DATA_LOSS.
  virtual absl::StatusOr<HeadRecord> DecodeHead(
      const SessionHead& head) const = 0;
  // From what these two gave. Everything is checked; fails with DATA_LOSS.
  virtual absl::StatusOr<SessionRecord> Decode(const SessionHead& head,
                                               std::string_view spec) const = 0;

  virtual std::string EncodeCheckpoint(const Checkpoint& checkpoint) const = 0;
  // Likewise.
  virtual absl::StatusOr<Checkpoint> DecodeCheckpoint(
      std::string_view bytes) const = 0;

  virtual std::string EncodeBlock(const HistoryBlock& block) const = 0;
  // Likewise; of the piece of that name.
  virtual absl::StatusOr<HistoryBlock> DecodeBlock(
      const PieceName& name, std::string_view bytes) const = 0;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_SESSION_CODEC_H_
