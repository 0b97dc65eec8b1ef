// SPDX-License-Identifier: Apache-2.0
#include "server/translation/stored_session.h"

#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "backprop/store/v1/session.pb.h"
#include "backprop/v1/training_service.pb.h"
#include "server/translation/continuation.h"
#include "server/translation/spec.h"
#include "server/translation/stored_requests.h"
#include "server/translation/timestamp.h"

namespace backprop {
namespace {

// Of Head and of the pieces' contents.
constexpr uint32_t kForm = 1;

template <class... Parts>
absl::Status Damaged(const SessionHead& head, const Parts&... parts) {
  return absl::DataLossError(absl::StrCat("session ", head.id, ": ", parts...));
}

absl::StatusOr<store::v1::Head> ParseHead(const SessionHead& head) {
  store::v1::Head stored;
  if (!stored.ParseFromString(head.body)) {
    return Damaged(head, "its head is no message");
  }
  if (stored.form() == kForm) return stored;
  return Damaged(head, "it was written in form ", stored.form(),
                 "; this server knows form ", kForm);
}

SessionBirth BirthOf(const store::v1::Head& stored, const SessionHead& head) {
  return {.id = head.id,
          .time = TimeFromProto(stored.create_time()),
          .forked_from = stored.forked_from(),
          .request = {stored.request_id(), stored.request_fingerprint()}};
}

HeadPieces PiecesOf(const store::v1::Head& stored) {
  HeadPieces pieces{.first_live = stored.first_live_piece(),
                    .history_first_piece = stored.history_first_piece()};
  if (stored.has_history_first_step()) {
    pieces.history_first_step = stored.history_first_step();
  }
  return pieces;
}

absl::Status TakeRule(const store::v1::Head& stored, const SessionHead& head,
                      SessionSpec* spec) {
  const int rule = stored.continuation().rule();
  if (!Rules::Has(rule)) {
    return Damaged(head, "its rule is ", rule,
                   ", which this server doesn't know");
  }
  spec->rule = static_cast<Rule>(rule);
  return absl::OkStatus();
}

absl::Status TakeRequests(const store::v1::Head& stored,
                          const SessionHead& head, DoneRequests* requests) {
  const auto count = static_cast<size_t>(stored.done_requests_size());
  if (count > DoneRequests::kMost) {
    return Damaged(head, "it remembers ", count, " requests; at most ",
                   DoneRequests::kMost);
  }
  const auto taken = DoneRequestsFromProto(stored.done_requests());
  if (!taken.ok()) return Damaged(head, taken.status().message());
  for (const DoneRequest& each : *taken) requests->Add(each);
  return absl::OkStatus();
}

}  // namespace

std::string ProtoCodec::EncodeHead(const SessionBirth& birth,
                                   const Standing& standing,
                                   const SessionSpec& spec,
                                   const HeadPieces& pieces) const {
  store::v1::Head head;
  head.set_form(kForm);
  head.set_next_offset(standing.progress.next_offset);
  ContinuationToProto(standing, spec, /*with_learning=*/true,
                      head.mutable_continuation());
  TimeToProto(birth.time, head.mutable_create_time());
  head.set_forked_from(birth.forked_from);
  head.set_request_id(birth.request.request_id);
  head.set_request_fingerprint(birth.request.fingerprint);
  DoneRequestsToProto(standing.requests.all(), head.mutable_done_requests());
  head.set_first_live_piece(pieces.first_live);
  if (pieces.history_first_step.has_value()) {
    head.set_history_first_step(*pieces.history_first_step);
    head.set_history_first_piece(pieces.history_first_piece);
  }
  // With SeeUse (session_table.h), which looks again after as long.
  TimeToProto(std::chrono::system_clock::now() + 2 * spec.durability.max_lag,
              head.mutable_last_use_time());
  if (spec.expire_after.count() != 0) {
    DurationToProto(spec.expire_after, head.mutable_expire_after());
  }
  return head.SerializeAsString();
}

std::string ProtoCodec::EncodeSpec(const SessionSpec& spec,
                                   const Layout& layout) const {
  return SpecToProto(spec, layout).SerializeAsString();
}

absl::StatusOr<HeadRecord> ProtoCodec::DecodeHead(
    const SessionHead& head) const {
  const auto stored = ParseHead(head);
  if (!stored.ok()) return stored.status();
  const auto after = DurationFromProto(stored->expire_after());
  if (!after.has_value()) return Damaged(head, "its expire_after is none");
  return HeadRecord{BirthOf(*stored, head),
                    TimeFromProto(stored->last_use_time()), *after,
                    PiecesOf(*stored)};
}

absl::StatusOr<SessionRecord> ProtoCodec::Decode(
    const SessionHead& head, std::string_view spec_bytes) const {
  const auto parsed = ParseHead(head);
  if (!parsed.ok()) return parsed.status();
  const store::v1::Head& stored = *parsed;
  v1::SessionSpec proto;
  if (!proto.ParseFromArray(spec_bytes.data(),
                            static_cast<int>(spec_bytes.size()))) {
    return Damaged(head, "its spec is no message");
  }
  auto spec = SpecFromProto(proto, /*weights_given=*/!proto.has_initialiser());
  if (!spec.ok()) return Damaged(head, spec.status().message());
  if (absl::Status status = TakeRule(stored, head, &*spec); !status.ok()) {
    return status;
  }
  auto layout = LayoutOf(*spec, std::numeric_limits<size_t>::max());
  if (!layout.ok()) return Damaged(head, layout.status().message());
  Standing standing;
  standing.progress = {head.step, stored.next_offset()};
  absl::Status taken = TakeRequests(stored, head, &standing.requests);
  if (!taken.ok()) return taken;
  std::vector<FieldViolation> violations;
  ContinuationFromProto(stored.continuation(), *spec, &standing, violations);
  if (!violations.empty()) {
    return Damaged(head, violations[0].field, " ", violations[0].description);
  }
  return SessionRecord{BirthOf(stored, head), *std::move(spec),
                       *std::move(layout), std::move(standing),
                       PiecesOf(stored)};
}

std::string ProtoCodec::EncodeCheckpoint(const Checkpoint& checkpoint) const {
  store::v1::StoredCheckpoint stored;
  stored.set_form(kForm);
  stored.set_name(checkpoint.name);
  stored.set_epoch(checkpoint.epoch);
  stored.set_step(checkpoint.step);
  stored.set_head(checkpoint.head);
  stored.set_next_offset(checkpoint.next_offset);
  stored.set_digest(checkpoint.digest);
  TimeToProto(checkpoint.create_time, stored.mutable_create_time());
  if (checkpoint.expire_time.has_value()) {
    TimeToProto(*checkpoint.expire_time, stored.mutable_expire_time());
  }
  stored.set_pinned(checkpoint.pinned);
  stored.set_order(checkpoint.order);
  stored.set_first_piece(checkpoint.first_piece);
  stored.set_last_piece(checkpoint.last_piece);
  stored.set_spec_piece(checkpoint.spec_piece);
  stored.set_stored_bytes(checkpoint.stored_bytes);
  return stored.SerializeAsString();
}

absl::StatusOr<Checkpoint> ProtoCodec::DecodeCheckpoint(
    std::string_view bytes) const {
  store::v1::StoredCheckpoint stored;
  if (!stored.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::DataLossError("a checkpoint is no message");
  }
  if (stored.form() != kForm) {
    return absl::DataLossError(
        absl::StrCat("checkpoint \"", stored.name(), "\" was written in form ",
                     stored.form(), "; this server knows form ", kForm));
  }
  Checkpoint checkpoint{.name = stored.name(),
                        .pinned = stored.pinned(),
                        .create_time = TimeFromProto(stored.create_time()),
                        .epoch = stored.epoch(),
                        .step = stored.step(),
                        .next_offset = stored.next_offset(),
                        .digest = stored.digest(),
                        .head = stored.head(),
                        .order = stored.order(),
                        .first_piece = stored.first_piece(),
                        .last_piece = stored.last_piece(),
                        .spec_piece = stored.spec_piece(),
                        .stored_bytes = stored.stored_bytes()};
  if (stored.has_expire_time()) {
    checkpoint.expire_time = TimeFromProto(stored.expire_time());
  }
  return checkpoint;
}

}  // namespace backprop
