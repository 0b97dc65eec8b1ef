// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/sample_ledger.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "client/cpp/call_status.h"
#include "google/rpc/error_details.pb.h"

namespace backprop {
namespace {

// Elements of `from` with numbers [begin, end), `whole` of which are all of it;
// none where the user gave none.
template <class Numbers>
void CopyPart(const Numbers& from, uint64_t begin, uint64_t end, uint64_t whole,
              Numbers* to) {
  if (static_cast<uint64_t>(from.size()) != whole) return;
  for (uint64_t i = begin; i < end; ++i) to->Add(from[static_cast<int>(i)]);
}

// What the server says of a message that lies beyond one that was refused.
void RefuseGap(google::rpc::Status* rejection) {
  rejection->set_code(static_cast<int>(absl::StatusCode::kOutOfRange));
  rejection->set_message(
      "a message before this one was refused, and this one lies beyond it: "
      "send it again");
  google::rpc::ErrorInfo info;
  info.set_domain("backprop.v1");
  info.set_reason("OFFSET_GAP");
  rejection->add_details()->PackFrom(info);
}

}  // namespace

size_t SampleBytes(const v1::TrainRequest& request) {
  return request.inputs().size() + request.targets().size() +
         sizeof(uint32_t) * static_cast<size_t>(request.classes_size()) +
         sizeof(float) * static_cast<size_t>(request.sample_weights_size());
}

SampleLedger::SampleLedger(size_t row_bytes, bool durable,
                           v1::DeltaDetail detail, uint64_t next_offset,
                           size_t hurry_bytes)
    : row_bytes_(row_bytes),
      durable_(durable),
      detail_(detail),
      hurry_bytes_(hurry_bytes),
      next_offset_(next_offset),
      answered_offset_(next_offset) {}

void SampleLedger::Add(v1::TrainRequest request) {
  Entry entry;
  request.set_received_offset(ReceivedOffset());
  entry.number = next_number_++;
  entry.begin = entry.answered = entry.sent_from = next_offset_;
  entry.end = entry.begin + request.inputs().size() / row_bytes_;
  entry.bytes = SampleBytes(request);
  request.set_offset(entry.begin);
  bytes_ += entry.bytes + kMessageBytes;
  unhurried_bytes_ += entry.bytes + kMessageBytes;
  if (durable_ && unhurried_bytes_ > hurry_bytes_) {
    request.set_when_durable(true);
  }
  if (request.when_durable()) unhurried_bytes_ = 0;
  entry.request = std::make_shared<const v1::TrainRequest>(std::move(request));
  next_offset_ = entry.end;
  ++unanswered_;
  unanswered_bytes_ += entry.bytes;
  unsent_.push_back(
      {entry.number, entry.begin, entry.end, /*repeat=*/false, entry.request});
  entries_.push_back(std::move(entry));
}

std::shared_ptr<const v1::TrainRequest> SampleLedger::TakeUnsent() {
  if (unsent_.empty()) return nullptr;
  sent_.push_back(std::move(unsent_.front()));
  unsent_.pop_front();
  return sent_.back().request;
}

uint64_t SampleLedger::awaited() const {
  for (const auto* pieces : {&sent_, &unsent_}) {
    for (const Piece& piece : *pieces) {
      if (!piece.repeat) return piece.number;
    }
  }
  return next_number_;
}

SampleLedger::Entry& SampleLedger::EntryOf(uint64_t number) {
  return entries_[number - entries_.front().number];
}

// They are answered in order.
uint64_t SampleLedger::ReceivedOffset() {
  return unanswered_ == 0 ? next_offset_
                          : EntryOf(next_number_ - unanswered_).begin;
}

void SampleLedger::Finish(Entry* entry) {
  if (entry->done) return;
  entry->done = true;
  --unanswered_;
  unanswered_bytes_ -= entry->bytes;
}

void SampleLedger::NoteDurable(const v1::TrainResponse& response) {
  durable_offset_ = std::max(durable_offset_, response.durable_offset());
  Forget();
}

void SampleLedger::Forget() {
  while (!entries_.empty() && entries_.front().done &&
         (!durable_ || entries_.front().end <= durable_offset_)) {
    bytes_ -= entries_.front().bytes + kMessageBytes;
    entries_.pop_front();
  }
}

// What follows in the session begins where the refused message ended; messages
// that were sent behind it lie beyond that, and the server refuses them too.
void SampleLedger::Refuse(const v1::TrainResponse& response, Entry* entry) {
  // Behind a message without samples those that follow lie where they did.
  if (entry->stray || entry->begin == entry->end) return;
  entry->end = entry->answered;
  next_offset_ = response.next_offset();
  for (Entry& later : entries_) {
    if (later.number <= entry->number) continue;
    later.stray = true;
    later.begin = later.end = later.answered = entry->end;
  }
}

absl::StatusOr<bool> SampleLedger::Take(v1::TrainResponse* response) {
  NoteDurable(*response);
  if (response->durable_news()) return true;
  if (response->goodbye() && !response->message_done() &&
      response->step() == response->base_step()) {
    return false;
  }
  if (sent_.empty()) {
    return absl::InternalError("the server answers what was not sent");
  }
  const Piece& piece = sent_.front();
  const bool last = response->message_done();
  if (piece.repeat) {
    if (response->has_rejection()) {
      const absl::Status why = FromRejection(response->rejection());
      return absl::DataLossError(absl::StrFormat(
          "samples from offset %d on were applied, then taken back by a crash, "
          "and are refused now: %s",
          piece.begin, why.message()));
    }
    if (last) sent_.pop_front();
    return false;
  }
  Entry& entry = EntryOf(piece.number);
  response->set_message_number(entry.number);
  // Of one that was sent whole again the user may have had the beginning.
  const uint64_t known =
      std::min(response->skipped_samples(), entry.answered - piece.begin);
  response->set_skipped_samples(response->skipped_samples() - known +
                                std::exchange(entry.lost, 0));
  entry.answered =
      std::clamp(response->next_offset(), entry.answered, entry.end);
  answered_offset_ = std::max(answered_offset_, entry.answered);
  if (response->has_rejection()) Refuse(*response, &entry);
  if (last) {
    Finish(&entry);
    sent_.pop_front();
    Forget();
  }
  return true;
}

absl::Status SampleLedger::CheckOffset(uint64_t offset) const {
  const uint64_t from =
      entries_.empty() ? next_offset_ : entries_.front().begin;
  if (offset < from) {
    return absl::DataLossError(absl::StrFormat(
        "the session is at offset %d, and the samples from there to %d are not "
        "kept here: they were answered as %s",
        offset, from,
        durable_ ? "durable; was the session taken back?"
                 : "applied, and the session is kept in memory only"));
  }
  if (offset > next_offset_) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "the session is at offset %d, beyond the %d that was sent here: "
        "somebody else has trained it meanwhile",
        offset, next_offset_));
  }
  return absl::OkStatus();
}

std::vector<LostAnswer> SampleLedger::Lost(uint64_t next_offset) const {
  std::vector<LostAnswer> lost;
  if (next_offset > next_offset_) return lost;  // it is another's
  for (const Entry& entry : entries_) {
    if (entry.done || entry.stray) continue;
    if (next_offset <= entry.answered) break;
    lost.push_back({PartOf(entry, entry.sent_from, entry.end), entry.answered});
  }
  return lost;
}

absl::StatusOr<SampleLedger::Resent> SampleLedger::Resume(
    const v1::TrainResponse& opening, size_t asked) {
  absl::Status status = CheckOffset(opening.next_offset());
  if (!status.ok()) return status;
  sent_.clear();
  unsent_.clear();
  Resent resent;
  for (Entry& entry : entries_) {
    if (asked > 0 && !entry.done && !entry.stray) {
      --asked;
      Asked(entry, &resent);
    } else {
      ResumeEntry(opening, &entry, &resent);
    }
  }
  NoteDurable(opening);
  return resent;
}

void SampleLedger::Asked(const Entry& entry, Resent* resent) {
  sent_.push_back({entry.number, entry.sent_from, entry.end, /*repeat=*/false,
                   /*request=*/nullptr});
  resent->samples += entry.end - entry.sent_from;
}

void SampleLedger::ResumeEntry(const v1::TrainResponse& opening, Entry* entry,
                               Resent* resent) {
  const uint64_t applied =
      std::clamp(opening.next_offset(), entry->begin, entry->end);
  if (applied > entry->answered) {
    entry->lost += applied - entry->answered;
    entry->answered = applied;
    answered_offset_ = std::max(answered_offset_, applied);
  }
  Repeat(*entry, applied, entry->answered, resent);
  if (entry->done) return;
  const bool empty = entry->request->inputs().size() < row_bytes_;
  if (entry->stray || (entry->answered == entry->end && !empty)) {
    resent->made.push_back(MadeAnswer(opening, *entry));
    Finish(entry);
    return;
  }
  SendRest(entry, resent);
}

void SampleLedger::Repeat(const Entry& entry, uint64_t begin, uint64_t end,
                          Resent* resent) {
  if (begin == end) return;
  unsent_.push_back(
      {entry.number, begin, end, /*repeat=*/true, PartOf(entry, begin, end)});
  resent->samples += end - begin;
  resent->repeated += end - begin;
}

void SampleLedger::SendRest(Entry* entry, Resent* resent) {
  entry->sent_from = entry->answered;
  unsent_.push_back({entry->number, entry->answered, entry->end,
                     /*repeat=*/false,
                     PartOf(*entry, entry->answered, entry->end)});
  resent->samples += entry->end - entry->answered;
}

TrainAnswer SampleLedger::MadeAnswer(const v1::TrainResponse& opening,
                                     const Entry& entry) const {
  TrainAnswer answer;
  answer.request = entry.request;
  answer.detail = detail_;
  v1::TrainResponse& response = answer.response;
  response.set_message_number(entry.number);
  response.set_message_done(true);
  response.set_base_step(opening.step());
  response.set_step(opening.step());
  response.set_next_offset(opening.next_offset());
  response.set_epoch(opening.epoch());
  response.set_durable_step(opening.durable_step());
  response.set_durable_offset(opening.durable_offset());
  response.set_skipped_samples(entry.lost);
  if (entry.stray) RefuseGap(response.mutable_rejection());
  return answer;
}

std::shared_ptr<const v1::TrainRequest> SampleLedger::PartOf(
    const Entry& entry, uint64_t begin, uint64_t end) const {
  const v1::TrainRequest& whole = *entry.request;
  const uint64_t samples = whole.inputs().size() / row_bytes_;
  const uint64_t from = begin - entry.begin, to = end - entry.begin;
  if (from == 0 && to == samples) return entry.request;
  auto part = std::make_shared<v1::TrainRequest>();
  part->set_offset(begin);
  part->set_inputs(
      whole.inputs().substr(from * row_bytes_, (to - from) * row_bytes_));
  const size_t target = whole.targets().size() / samples;
  part->set_targets(
      whole.targets().substr(from * target, (to - from) * target));
  CopyPart(whole.classes(), from, to, samples, part->mutable_classes());
  CopyPart(whole.sample_weights(), from, to, samples,
           part->mutable_sample_weights());
  if (to == samples) {
    part->set_want_digest(whole.want_digest());
    part->set_when_durable(whole.when_durable());
  }
  return part;
}

}  // namespace backprop
