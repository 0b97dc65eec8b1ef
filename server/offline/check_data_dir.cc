// SPDX-License-Identifier: Apache-2.0
#include "server/offline/check_data_dir.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/offline/hold_data_dir.h"
#include "server/sessions/checkpoint_reader.h"
#include "server/sessions/history_reader.h"
#include "server/sessions/out_of_memory.h"
#include "server/sessions/session_table.h"
#include "server/sessions/stored_record.h"
#include "server/store/sqlite_check.h"
#include "server/store/store.h"
#include "server/translation/stored_session.h"

namespace backprop {
namespace {

constexpr size_t kSessionsAtOnce = 1000;
constexpr size_t kUnlimited = std::numeric_limits<size_t>::max();

bool IsCheckpoint(const StoredPiece& piece) {
  return piece.name.kind == PieceKind::kCheckpoint;
}

// What the rows say is taken for what was written (CheckSqliteStore tells where
// it is not). Whether it makes sessions is seen here.
class SessionsCheck {
 public:
  SessionsCheck(ReadableStore& store,
                const std::function<void(std::string_view)>& fault)
      : store_(store),
        fault_(fault),
        sessions_({.sessions = 1, .total_weights = kUnlimited}, [] {
          return std::make_shared<DeltaFeed>(
              0, [](const std::function<void()>& tell) { tell(); });
        }) {}

  absl::Status Run() {
    for (std::string after;;) {
      const auto heads = store_.List(after, kSessionsAtOnce);
      // A table that can't be read has been told of.
      if (absl::IsDataLoss(heads.status())) return absl::OkStatus();
      if (!heads.ok()) return heads.status();
      for (const StoredHead& head : *heads) {
        if (absl::Status s = Check(head); !s.ok()) return s;
      }
      // A damaged table may lead in circles.
      if (heads->empty() || heads->back().head.id <= after) {
        return absl::OkStatus();
      }
      after = heads->back().head.id;
    }
  }

  const CheckedDataDir& counts() const { return counts_; }

 private:
  // Fails where the disk does; likewise below.
  absl::Status Check(const StoredHead& head) {
    ++counts_.sessions;
    const std::string& id = head.head.id;
    if (!head.damage.ok()) return absl::OkStatus();  // has been told of
    counts_.bytes += head.bytes;
    const auto stored = store_.Load(id);
    const std::string what = absl::StrCat("session ", id);
    if (!stored.ok()) return Tell(what, stored.status());
    counts_.checkpoints += std::ranges::count_if(stored->pieces, IsCheckpoint);
    const auto record =
        CatchOutOfMemory([&] { return ReadRecord(*stored, codec_, store_); });
    if (!record.ok()) return Tell(what, record.status());
    absl::Status status =
        Tell(what, CatchOutOfMemory([&] {
                     return sessions_.MakeApart(*record, [&](Session& session) {
                       return RestoreSession(*stored, *record, store_, session);
                     });
                   }).status());
    if (!status.ok()) return status;
    status = CheckCheckpoints(*stored, record->layout);
    return status.ok() ? CheckHistory(*stored, *record) : status;
  }

  // Each block by the last step that it leads to; weights once for all blocks
  // that are read from one image.
  absl::Status CheckHistory(const StoredSession& stored,
                            const SessionRecord& record) {
    const Layout& layout = record.layout;
    for (const LiveBlock& end :
         LiveBlocks(stored.pieces, record.pieces, stored.head.step)) {
      const absl::Status read = CatchOutOfMemory([&] {
        const PastStep last = {end.name, end.last_step};
        return end.ends_group
                   ? RestoreStep(stored, last, layout, store_, codec_,
                                 sessions_)
                         .status()
                   : ReadRecordAt(stored, last, layout, store_, codec_)
                         .status();
      });
      absl::Status status = Tell(
          absl::StrCat("step ", end.last_step, " of session ", stored.head.id),
          read);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status CheckCheckpoints(const StoredSession& stored,
                                const Layout& layout) {
    for (const StoredPiece& piece : stored.pieces) {
      if (!IsCheckpoint(piece)) continue;
      absl::Status status = CheckCheckpoint(stored, piece, layout);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status CheckCheckpoint(const StoredSession& stored,
                               const StoredPiece& piece, const Layout& layout) {
    const std::string& id = stored.head.id;
    const auto bytes = store_.ReadPiece(id, piece.name.number);
    const auto checkpoint =
        bytes.ok() ? codec_.DecodeCheckpoint(*bytes) : bytes.status();
    if (!checkpoint.ok()) {
      return Tell(absl::StrCat("the checkpoint in piece ", piece.name.number,
                               " of session ", id),
                  checkpoint.status());
    }
    const auto session = CatchOutOfMemory([&] {
      return RestoreCheckpoint(id, *checkpoint, layout, store_, codec_,
                               sessions_);
    });
    return Tell(
        absl::StrCat("checkpoint \"", checkpoint->name, "\" of session ", id),
        session.status());
  }

  absl::Status Tell(const std::string& what, const absl::Status& status) {
    if (status.ok()) return status;
    const std::string text =
        absl::StrCat(what, " can't be brought back: ", status.message());
    if (absl::IsUnavailable(status)) return absl::UnavailableError(text);
    fault_(text);
    return absl::OkStatus();
  }

  ReadableStore& store_;
  const std::function<void(std::string_view)>& fault_;
  const ProtoCodec codec_;
  SessionTable sessions_;
  CheckedDataDir counts_;
};

// Damage may stand where text does.
std::string OneLine(std::string_view text) {
  std::string line(text);
  for (char& each : line) {
    if (each >= '\0' && each < ' ') each = ' ';
  }
  return line;
}

absl::StatusOr<CheckedDataDir> CheckHeld(
    const std::string& data_dir,
    const std::function<void(std::string_view)>& fault) {
  size_t faults = 0;
  const std::function<void(std::string_view)> tell =
      [&](std::string_view text) {
        ++faults;
        fault(OneLine(text));
      };
  if (absl::Status s = CheckSqliteStore(data_dir, tell); !s.ok()) return s;
  const auto store = LookIntoSqliteStore(data_dir);
  if (!store.ok()) return store.status();
  SessionsCheck sessions(**store, tell);
  if (absl::Status s = sessions.Run(); !s.ok()) return s;
  CheckedDataDir found = sessions.counts();
  found.faults = faults;
  return found;
}

}  // namespace

absl::StatusOr<CheckedDataDir> CheckDataDir(
    const std::string& data_dir,
    const std::function<void(std::string_view)>& fault) {
  const auto held = HoldDataDir(data_dir, "backpropd check");
  if (!held.ok()) return held.status();
  return CatchOutOfMemory([&] { return CheckHeld(data_dir, fault); });
}

}  // namespace backprop
