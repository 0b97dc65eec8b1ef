// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/stored_record.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/sessions/rejection.h"
#include "server/store/failpoint.h"
#include "server/store/restore.h"

namespace backprop {
namespace {

// The one piece that holds the spec.
absl::StatusOr<std::string> ReadSpec(const StoredSession& stored,
                                     ReadableStore& store) {
  const uint64_t piece = SpecPieceOf(stored);
  if (piece == 0) {
    return absl::DataLossError(
        absl::StrCat("session ", stored.head.id, ": its spec is missing"));
  }
  return store.ReadPiece(stored.head.id, piece);
}

// Without what is there for checkpoints alone.
StoredSession LiveOf(const StoredSession& stored, const SessionRecord& record) {
  return {stored.head, stored.epochs,
          NumberPieces(stored.pieces, record.pieces.first_live,
                       std::numeric_limits<uint64_t>::max())};
}

}  // namespace

bool SameLayout(const Layout& a, const Layout& b) {
  return a.batch_size() == b.batch_size() &&
         a.state_count() == b.state_count() &&
         a.scalar_count() == b.scalar_count() &&
         std::ranges::equal(a.layers(), b.layers());
}

absl::StatusOr<SessionRecord> ReadRecord(const StoredSession& stored,
                                         const SessionCodec& codec,
                                         ReadableStore& store) {
  const auto spec = ReadSpec(stored, store);
  if (!spec.ok()) return spec.status();
  return codec.Decode(stored.head, *spec);
}

absl::Status CantBeRead(const std::string& what, const absl::Status& why) {
  const std::string text =
      absl::StrCat(what, " can't be read: ", why.message());
  if (absl::IsDataLoss(why) || absl::IsNotFound(why)) {
    return Rejection(
        kSessionDamaged,
        text + "; backpropd check says what is wrong in the store");
  }
  return absl::IsUnavailable(why) ? Rejection(kStoreFailed, text) : why;
}

absl::Status RestoreSession(const StoredSession& stored,
                            const SessionRecord& record, ReadableStore& store,
                            Session& session) {
  absl::Status status = RestoreNumbers(
      LiveOf(stored, record), record.layout, record.spec.input,
      [&](uint64_t piece) { return store.ReadPiece(stored.head.id, piece); },
      session.weights(), session.state());
  MayDieAt(Failpoint::kNumbersRestored);
  if (status.ok()) session.GoOnFrom(record.standing);
  return status;
}

}  // namespace backprop
