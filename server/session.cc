// SPDX-License-Identifier: Apache-2.0
#include "server/session.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/digest.h"
#include "server/rejection.h"

namespace backprop {
namespace {

constexpr size_t kAlignment = 64;  // a cache line, and the widest vector

float* AllocateZeroed(size_t count) {
  const size_t bytes =
      (count * sizeof(float) + kAlignment - 1) / kAlignment * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  std::memset(memory, 0, bytes);
  return static_cast<float*>(memory);
}

absl::Status Deleted(const std::string& id) {
  return Rejection(kSessionNotFound,
                   absl::StrCat("session ", id, " was deleted"));
}

absl::Status HasWriter(const std::string& id) {
  return Rejection(
      kSessionHasWriter,
      absl::StrCat("session ", id,
                   " is being trained by another Train stream: end that "
                   "stream first, or create a session of your own"));
}

}  // namespace

absl::Status NonFiniteStep(const Progress& before,
                           std::string_view consequence) {
  return Rejection(
      kNonFiniteStep,
      absl::StrCat("step ", before.step + 1, " (samples from offset ",
                   before.next_offset,
                   ") would have a non-finite error or a delta beyond 2^96; ",
                   std::string(consequence),
                   ": lower the learning rate or check the samples"));
}

Session::Session(std::string id, SessionSpec spec, Layout layout)
    : id_(std::move(id)),
      spec_(std::move(spec)),
      layout_(std::move(layout)),
      created_(std::chrono::system_clock::now()),
      weights_(AllocateZeroed(layout_.weight_count())) {}

Progress Session::progress() const {
  std::lock_guard lock(mutex_);
  return progress_;
}

bool Session::has_writer() const {
  std::lock_guard lock(mutex_);
  return has_writer_;
}

absl::Status Session::AttachWriter() {
  std::lock_guard lock(mutex_);
  if (closed_) return Deleted(id_);
  if (has_writer_) return HasWriter(id_);
  has_writer_ = true;
  return absl::OkStatus();
}

absl::Status Session::CheckNoWriter() const {
  std::lock_guard lock(mutex_);
  if (closed_) return Deleted(id_);
  return has_writer_ ? HasWriter(id_) : absl::OkStatus();
}

void Session::DetachWriter() {
  std::lock_guard lock(mutex_);
  has_writer_ = false;
}

absl::Status Session::Close() {
  std::lock_guard lock(mutex_);
  if (has_writer_) {
    return Rejection(kSessionBusy,
                     absl::StrCat("session ", id_,
                                  " is being trained by a Train stream: end "
                                  "that stream, then delete"));
  }
  closed_ = true;
  return absl::OkStatus();
}

uint64_t Session::WeightsDigest() { return Digest(weights()); }

TrainOutcome Session::Train(Trainer& trainer, TrainRun run) {
  TrainOutcome outcome;
  outcome.before = progress();
  outcome.after = outcome.before;
  const Training training{&spec_.network, &layout_, spec_.learning_rate};
  const size_t batch = spec_.batch_size;
  const size_t input_row = batch * layout_.input_size();
  const size_t target_row = batch * layout_.output_size();
  const size_t delta_row = layout_.delta_row_length();
  const size_t steps = run.errors.size();
  size_t done = 0;
  while (done < steps) {
    // Up to the next step that is due for a digest.
    const uint64_t due =
        spec_.digest_every - outcome.after.step % spec_.digest_every;
    const size_t count =
        static_cast<size_t>(std::min<uint64_t>(due, steps - done));
    TrainRun part;
    part.inputs = run.inputs.subspan(done * input_row, count * input_row);
    part.targets = run.targets.subspan(done * target_row, count * target_row);
    part.weights = weights();
    part.errors = run.errors.subspan(done, count);
    part.deltas = run.deltas.subspan(done * delta_row, count * delta_row);
    if (!run.outputs.empty()) {
      part.outputs = run.outputs.subspan(done * target_row, count * target_row);
    }
    const size_t applied = trainer.Train(training, part);
    done += applied;
    outcome.after.step += applied;
    if (applied < count) break;
    if (count == due) {
      outcome.digests.push_back({outcome.after.step, WeightsDigest()});
    }
  }
  outcome.after.next_offset += done * batch;
  std::lock_guard lock(mutex_);
  progress_ = outcome.after;
  return outcome;
}

}  // namespace backprop
