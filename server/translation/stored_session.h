// SPDX-License-Identifier: Apache-2.0
//
// Sessions as the store keeps them: messages of backprop.store.v1 and the
// effective spec as the protocol has it.
#ifndef BACKPROP_SERVER_TRANSLATION_STORED_SESSION_H_
#define BACKPROP_SERVER_TRANSLATION_STORED_SESSION_H_

#include <string>
#include <string_view>

#include "server/sessions/session_codec.h"

namespace backprop {

class ProtoCodec : public SessionCodec {
 public:
  std::string EncodeHead(const SessionBirth& birth, const Standing& standing,
                         const SessionSpec& spec,
                         const HeadPieces& pieces) const override;
  std::string EncodeSpec(const SessionSpec& spec,
                         const Layout& layout) const override;
  absl::StatusOr<HeadRecord> DecodeHead(const SessionHead& head) const override;
  absl::StatusOr<SessionRecord> Decode(const SessionHead& head,
                                       std::string_view spec) const override;
  std::string EncodeCheckpoint(const Checkpoint& checkpoint) const override;
  absl::StatusOr<Checkpoint> DecodeCheckpoint(
      std::string_view bytes) const override;
  std::string EncodeBlock(const HistoryBlock& block) const override;
  absl::StatusOr<HistoryBlock> DecodeBlock(
      const PieceName& name, std::string_view bytes) const override;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_STORED_SESSION_H_
