// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/session.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "engine/contract/digest.h"
#include "server/sessions/epochs.h"
#include "server/sessions/out_of_memory.h"
#include "server/sessions/rejection.h"
#include "server/sessions/session_room.h"
#include "server/store/failpoint.h"

namespace backprop {
namespace {

constexpr size_t kAlignment = 64;  // a cache line, and the widest vector
// Each may hold an image.
constexpr size_t kMostGiven = 8;
// Whoever comes back, from a broken connection or by being started anew, is
// there by then. One who is there, and sends nothing for so long, has long read
// what was answered.
constexpr std::chrono::minutes kHeldFor{1};

absl::Status Deleted(const std::string& id) {
  return Rejection(kSessionNotFound,
                   absl::StrCat("session ", id, " was deleted"));
}

absl::Status HasWriter(const std::string& id) {
  return Rejection(
      kSessionHasWriter,
      absl::StrCat("session ", id,
                   " is being trained by another Train stream: end that "
                   "stream first, take its place (takeover), or create a "
                   "session of your own"));
}

absl::Status BeingRewound(const ErrorReason& reason, const std::string& id) {
  return Rejection(reason,
                   absl::StrCat("session ", id,
                                " is being taken back to a moment of its "
                                "past: try again when that is done"));
}

}  // namespace

absl::Status LossOf(const std::string& id, ChangeOutcome loss) {
  if (loss == ChangeOutcome::kTaken) return absl::OkStatus();
  return Rejection(
      kStoreFailed,
      absl::StrCat("session ", id,
                   loss == ChangeOutcome::kDamaged
                       ? " is damaged in the store, as backpropd check tells"
                       : " is another server's by now",
                   ": nothing that this one does to it is durable"));
}

absl::Status StoreIsBehind(size_t limit) {
  return Rejection(
      kQueueLimit,
      absl::StrCat("the store does not take what sessions have done, and they "
                   "may hold back ",
                   limit,
                   " bytes of it (--max-undurable-bytes), for which this is "
                   "too much: nothing was done; try again with backoff, once "
                   "its disk has room or is replaced"));
}

absl::Status NonFiniteStep(const Progress& before,
                           std::string_view consequence) {
  return Rejection(
      kNonFiniteStep,
      absl::StrCat(
          "step ", before.step + 1, " (samples from offset ",
          before.next_offset,
          ") would have a non-finite error, or a delta or gradient beyond "
          "what delta.proto allows; ",
          std::string(consequence),
          ": lower the learning rate or check the samples"));
}

bool MayGoOn(std::span<const EpochStart> epochs, uint64_t epoch,
             uint64_t step) {
  epoch = std::max<uint64_t>(epoch, 1);
  if (epoch > epochs.back().epoch) return false;
  return std::ranges::all_of(epochs, [&](const EpochStart& each) {
    return each.epoch <= epoch || step <= each.first_step;
  });
}

size_t Handover::bytes() const {
  size_t bytes = change.head.body.size();
  for (const Piece& piece : change.put) bytes += piece.bytes.size();
  return bytes;
}

void Handover::TakeRoom(Undurable::Share share) {
  room = std::move(share);
  room.Set(bytes());
}

Session::Numbers Session::AllocateZeroed(size_t count) {
  if (count == 0) return nullptr;
  const size_t bytes =
      (count * sizeof(float) + kAlignment - 1) / kAlignment * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  std::memset(memory, 0, bytes);
  return Numbers(static_cast<float*>(memory));
}

Session::Session(SessionBirth birth, SessionSpec spec, Layout layout,
                 std::shared_ptr<DeltaFeed> feed, Budget::Reservation room,
                 Durable durable)
    : room_(std::move(room)),
      birth_(std::move(birth)),
      layout_(std::move(layout)),
      feed_(std::move(feed)),
      state_size_(layout_.state_count() * layout_.weight_count()),
      durable_(std::move(durable)),
      weights_(AllocateZeroed(layout_.weight_count())),
      state_(AllocateZeroed(state_size_)),
      rate_(spec.schedule),
      learning_rate_(rate_.Rate(0)),
      epochs_(std::move(durable_.epochs)),
      checkpoints_(is_durable() ? durable_.journal->checkpoints()
                                : std::make_shared<const CheckpointSet>()) {
  if (is_durable()) {
    history_first_step_ = durable_.journal->history_first_step();
    past_bytes_ = durable_.journal->PastBytes();
  }
  if (AwaitsStandardisation(spec)) {
    standardiser_.emplace(layout_.input_size(),
                          LeastDeviation(spec.input, spec.min_deviation));
  }
  turn_.spec = std::make_shared<const SessionSpec>(std::move(spec));
  spec_ = turn_.spec;
  if (is_durable()) undurable_ = durable_.queue->undurable().NewShare();
}

std::shared_ptr<const SessionSpec> Session::spec() const {
  MutexLock lock(mutex_);
  return spec_;
}

Progress Session::progress() const {
  MutexLock lock(mutex_);
  return progress_;
}

SessionMoment Session::moment() const {
  MutexLock lock(mutex_);
  return {spec_,
          progress_,
          learning_rate_,
          writer_ != nullptr,
          epochs_.back().epoch,
          durable_progress_,
          stored_bytes_,
          history_first_step_,
          past_bytes_};
}

std::vector<EpochStart> Session::epochs() const {
  MutexLock lock(mutex_);
  return epochs_;
}

uint64_t Session::epoch() const {
  MutexLock lock(mutex_);
  return epochs_.back().epoch;
}

std::shared_ptr<const CheckpointSet> Session::checkpoints() const {
  MutexLock lock(mutex_);
  return checkpoints_;
}

Progress Session::durable() const {
  MutexLock lock(mutex_);
  return durable_progress_;
}

uint64_t Session::version() const {
  MutexLock lock(mutex_);
  return version_;
}

bool Session::IsDurable(uint64_t version) const {
  MutexLock lock(mutex_);
  return durable_version_ >= version;
}

void Session::Committed(const Handover& handover) {
  std::shared_ptr<Writer> writer;
  {
    MutexLock lock(mutex_);
    durable_version_ = handover.version;
    durable_progress_ = handover.progress;
    stored_bytes_ = handover.stored_bytes;
    if (handover.by_itself) --given_;
    writer = writer_;
  }
  if (writer != nullptr) writer->HearOfDurable();
}

void Session::Lose(ChangeOutcome why) {
  std::shared_ptr<Writer> writer;
  {
    MutexLock lock(mutex_);
    loss_ = why;
    rewinding_ = false;  // it stays as it was
    writer = writer_;
  }
  if (writer != nullptr) writer->HearOfDurable();
}

absl::Status Session::AttachWriter(std::shared_ptr<Writer> writer) {
  MutexLock lock(mutex_);
  if (closed_) return Deleted(id());
  if (writer_ != nullptr) return HasWriter(id());
  if (rewinding_) return BeingRewound(kSessionHasWriter, id());
  writer_ = std::move(writer);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Writer>> Session::TakeOver(
    std::shared_ptr<Writer> writer) {
  MutexLock lock(mutex_);
  if (closed_) return Deleted(id());
  if (rewinding_) return BeingRewound(kSessionHasWriter, id());
  if (writer_ != nullptr) writer_->replaced_ = true;
  return std::exchange(writer_, std::move(writer));
}

absl::Status Session::CheckNoWriter() const {
  MutexLock lock(mutex_);
  if (closed_) return Deleted(id());
  if (rewinding_) return BeingRewound(kSessionHasWriter, id());
  return writer_ != nullptr ? HasWriter(id()) : absl::OkStatus();
}

absl::Status Session::CheckNotRewinding() const {
  MutexLock lock(mutex_);
  return rewinding_ ? BeingRewound(kSessionBusy, id()) : absl::OkStatus();
}

void Session::DetachWriter(const Writer& writer) {
  std::shared_ptr<Writer> detached;  // let go of without the lock
  MutexLock lock(mutex_);
  if (writer_.get() != &writer) return;
  detached = std::move(writer_);
  detached_ = std::chrono::system_clock::now();
}

bool Session::HoldsInVain(std::chrono::system_clock::time_point now) const {
  if (held_bytes() == 0 || now - held_.last_use() < kHeldFor) return false;
  MutexLock lock(mutex_);
  if (writer_ == nullptr) return now - detached_ >= kHeldFor;
  // Else answers may be waiting for the store.
  return !is_durable() || durable_progress_.step == progress_.step;
}

absl::Status Session::Close() {
  MutexLock lock(mutex_);
  if (writer_ != nullptr) {
    return Rejection(kSessionBusy,
                     absl::StrCat("session ", id(),
                                  " is being trained by a Train stream: end "
                                  "that stream, then delete"));
  }
  if (rewinding_) return BeingRewound(kSessionBusy, id());
  closed_ = true;
  ++version_;
  feed_->Close();
  return absl::OkStatus();
}

uint64_t Session::WeightsDigest() { return Digest(weights()); }

Standing Session::standing() const {
  return {turn_.progress, state_age_, rate_.position(), standardiser_,
          requests_};
}

void Session::GoOnFrom(Standing standing) {
  state_age_ = standing.state_age;
  rate_ = LearningRate(rate_.schedule(), standing.schedule);
  if (standing.standardiser.has_value()) {
    standardiser_ = std::move(standing.standardiser);
  }
  turn_.progress = standing.progress;
  requests_ = std::move(standing.requests);
  applied_ = {};
  held_.Clear();
  Publish();
}

void Session::Publish() {
  const float rate = rate_.Rate(0);
  {
    MutexLock lock(mutex_);
    spec_ = turn_.spec;
    progress_ = turn_.progress;
    learning_rate_ = rate;
    ++version_;
  }
}

void Session::BeginCommitting() {
  if (is_durable()) durable_.queue->Note(shared_from_this());
}

void Session::NoteChange() {
  if (!noted_) BeginCommitting();
  noted_ = true;
}

bool Session::MayTrain() const {
  return !is_durable() || !durable_.queue->undurable().IsFull() || lost();
}

void Session::Record(const StepsPart& part, std::span<const float> errors) {
  if (!is_durable()) return;
  if (erased_ || lost()) return undurable_.Set(0);
  MayDieAt(Failpoint::kPartTrained);
  durable_.journal->AddSteps(part, errors);
  undurable_.Set(durable_.journal->BytesToHandOver());
  MayDieAt(Failpoint::kPartRecorded);
}

size_t Session::BytesToHandOver() const {
  if (erased_ || lost()) return 0;
  {
    MutexLock lock(mutex_);
    if (closed_) return 0;  // only its end is
  }
  return durable_.journal->BytesToHandOver();
}

void Session::ForkFrom(Session& origin, bool with_state) {
  std::ranges::copy(origin.weights(), weights_.get());
  if (!with_state) return;
  std::ranges::copy(origin.state(), state_.get());
  Standing standing = origin.standing();
  standing.progress = {};         // it counts its own steps
  standing.standardiser.reset();  // learns from its own samples
  standing.requests = {};         // and was asked by nobody
  if (rate_.schedule() != origin.rate_.schedule()) {
    standing.schedule.plateau.reset();
  }
  GoOnFrom(std::move(standing));
}

absl::Status Session::MakeRoomFor(const SessionSpec& spec) {
  if (is_durable()) {
    absl::Status status = durable_.journal->CheckLimits(spec.history);
    if (!status.ok()) return status;
  }
  if (room_.GrowTo(RoomOf(spec, layout_))) return absl::OkStatus();
  return Rejection(
      kSessionLimit,
      absl::StrCat("sessions in memory hold all of --max-total-weights, and "
                   "spec.history takes ",
                   kPastNumbers,
                   " numbers of it: leave it out, or delete some sessions"));
}

void Session::Update(SessionSpec spec, bool restarts_schedule) {
  auto updated = std::make_shared<const SessionSpec>(std::move(spec));
  NoteChange();
  if (restarts_schedule) rate_ = LearningRate(updated->schedule);
  turn_.spec = std::move(updated);
  Publish();
}

std::optional<Handover> Session::HandOver() {
  const absl::Cleanup count = [this] { undurable_.Set(BytesToHandOver()); };
  Handover handover{.session = shared_from_this(), .progress = turn_.progress};
  bool closed = false;
  {
    MutexLock lock(mutex_);
    if (erased_ || loss_ != ChangeOutcome::kTaken || rewinding_) {
      return std::nullopt;
    }
    handover.version = version_;
    closed = closed_;
  }
  if (closed) {
    handover.change = durable_.journal->Erase(id());
    // Whatever a turn that was late still does to it.
    handover.version = std::numeric_limits<uint64_t>::max();
    erased_ = true;
    return handover;
  }
  const Standing present = standing();
  const auto now = std::chrono::system_clock::now();
  handover.change = durable_.journal->HandOver(
      Present(present),
      {.remove = durable_.journal->checkpoints()->Expired(now)});
  handover.stored_bytes = durable_.journal->StoredBytes();
  noted_ = false;
  {
    MutexLock lock(mutex_);
    ShowPast();
  }
  GoOnRemoving();
  return handover;
}

Journal::Moment Session::Present(const Standing& standing) {
  return {.birth = birth_,
          .standing = standing,
          .spec = turn_.spec,
          .weights = weights(),
          .state = state()};
}

absl::Status Session::CheckHandsOver() const {
  if (closed_) return Deleted(id());
  if (rewinding_) return BeingRewound(kSessionBusy, id());
  if (loss_ != ChangeOutcome::kTaken) return LossOf(id(), loss_);
  if (given_ < kMostGiven) return absl::OkStatus();
  return Rejection(
      kQueueLimit,
      absl::StrCat("the store has ", given_, " changes of session ", id(),
                   " and its checkpoints still to commit: try "
                   "again with backoff"));
}

void Session::ShowPast() {
  checkpoints_ = durable_.journal->checkpoints();
  history_first_step_ = durable_.journal->history_first_step();
  past_bytes_ = durable_.journal->PastBytes();
}

void Session::GoOnRemoving() {
  if (!durable_.journal->OwesRemovals()) return;
  {
    MutexLock lock(mutex_);
    ++version_;  // it is not idle before all is gone
  }
  // What is done is done. Without memory the next change goes on with it.
  CatchOutOfMemory([&] { NoteChange(); }).IgnoreError();
}

absl::StatusOr<Undurable::Share> Session::RoomToHandOver(size_t bytes) const {
  Undurable& undurable = durable_.queue->undurable();
  auto room = undurable.HandOverUnasked(bytes);
  if (room.has_value()) return *std::move(room);
  return StoreIsBehind(undurable.limit());
}

void Session::Give(std::list<Handover> handovers) {
  undurable_.Set(BytesToHandOver());
  {
    MutexLock lock(mutex_);
    // After Close, its end is what is waited for.
    handovers.front().version = closed_ ? durable_version_ : ++version_;
    handovers.front().by_itself = true;
    ++given_;
    ShowPast();
  }
  durable_.queue->Take(std::move(handovers));
}

absl::Status Session::EditCheckpoints(const CheckpointEdit& edit) {
  std::list<Handover> handovers(1);
  {
    MutexLock lock(mutex_);
    if (absl::Status status = CheckHandsOver(); !status.ok()) return status;
  }
  auto room = RoomToHandOver(BytesToHandOver());
  if (!room.ok()) return room.status();
  Handover& handover = handovers.front();
  handover.session = shared_from_this();
  handover.progress = turn_.progress;
  const Standing present = standing();
  handover.change = durable_.journal->HandOver(Present(present), edit);
  handover.TakeRoom(*std::move(room));
  handover.stored_bytes = durable_.journal->StoredBytes();
  MayDieAt(Failpoint::kCheckpointsEdited);
  Give(std::move(handovers));
  GoOnRemoving();
  return absl::OkStatus();
}

absl::Status Session::BeginRewind(Session& past, uint64_t epoch,
                                  std::function<void()> committed) {
  std::list<Handover> handovers(1);
  const uint64_t step = past.turn_.progress.step;
  bool led_here = false;
  {
    MutexLock lock(mutex_);
    absl::Status status = CheckHandsOver();
    if (status.ok() && writer_ != nullptr) status = HasWriter(id());
    if (!status.ok()) return status;
    epochs_.reserve(epochs_.size() + 1);
    led_here = MayGoOn(epochs_, epoch, step);
    rewinding_ = true;
  }
  absl::Cleanup stays = [this] {
    MutexLock lock(mutex_);
    rewinding_ = false;
  };
  auto room = RoomToHandOver(durable_.journal->ImageBytes());
  if (!room.ok()) return room.status();
  Handover& handover = handovers.front();
  handover.session = shared_from_this();
  handover.progress = past.turn_.progress;
  handover.committed = std::move(committed);
  const Standing standing = past.standing();
  Journal::Moment then = past.Present(standing);
  handover.change = durable_.journal->Rewind({.birth = birth_,
                                              .standing = then.standing,
                                              .spec = then.spec,
                                              .weights = then.weights,
                                              .state = then.state},
                                             /*keeps_history=*/led_here);
  handover.TakeRoom(*std::move(room));
  handover.stored_bytes = durable_.journal->StoredBytes();
  std::move(stays).Cancel();
  MayDieAt(Failpoint::kRewindBegun);
  Give(std::move(handovers));
  return absl::OkStatus();
}

void Session::FinishRewind(Session& past) {
  MayDieAt(Failpoint::kRewindDurable);
  std::swap(weights_, past.weights_);
  std::swap(state_, past.state_);
  std::swap(state_age_, past.state_age_);
  std::swap(rate_, past.rate_);
  std::swap(standardiser_, past.standardiser_);
  std::swap(turn_, past.turn_);
  std::swap(requests_, past.requests_);
  applied_ = {};
  held_.Clear();
  // The queue may have asked meanwhile, in vain, and forgotten it.
  noted_ = false;
  const float rate = rate_.Rate(0);
  const uint64_t step = turn_.progress.step;
  {
    MutexLock lock(mutex_);
    spec_ = turn_.spec;
    progress_ = turn_.progress;
    learning_rate_ = rate;
    AddEpoch({durable_.journal->epoch(), step}, &epochs_);
    rewinding_ = false;
  }
  feed_->Lose(step);
  GoOnRemoving();
}

void Session::BeginSteps() {
  if (!is_durable()) return;
  if (durable_.journal->BeginSteps(turn_.spec, requests_)) return;
  const Standing present = standing();
  durable_.journal->BeginBlock(Present(present));
}

TrainOutcome Session::Train(Trainer& trainer, TrainRun run) {
  const SessionSpec& spec = *turn_.spec;
  // The queue and the journal before anything is done, as they may need memory
  // for that: a step that was done is one that its caller hears of.
  NoteChange();
  BeginSteps();
  TrainOutcome outcome;
  outcome.before = turn_.progress;
  outcome.after = outcome.before;
  run.weights = weights();
  run.state = state();
  Training training{.network = &spec.network,
                    .layout = &layout_,
                    .optimiser = &spec.optimiser,
                    .rate = &rate_,
                    .dropout_seed = spec.dropout_seed};
  const size_t steps = run.errors.size();
  size_t done = 0;
  while (done < steps) {
    // Up to the next step that is due for a digest or that the schedule has to
    // see before it goes on.
    const uint64_t due =
        spec.digest_every - outcome.after.step % spec.digest_every;
    const size_t count = static_cast<size_t>(
        std::min({due, rate_.StepsUntilDecision(), uint64_t{steps - done}}));
    training.first_step = outcome.after.step + 1;
    training.state_age = state_age_;
    const TrainRun part = PartOf(training, run, done, count);
    const size_t applied = trainer.Train(training, part);
    done += applied;
    outcome.after.step += applied;
    outcome.after.next_offset += applied * spec.batch_size;
    Advance(outcome.after, part.errors.first(applied));
    if (applied < count) break;
    if (count == due) {
      outcome.digests.push_back({outcome.after.step, WeightsDigest()});
    }
  }
  return outcome;
}

// After every part, so that one which runs out of memory leaves those before it
// counted.
void Session::Advance(const Progress& progress, std::span<const float> errors) {
  rate_.Record(errors);
  state_age_ += errors.size();
  turn_.progress = progress;
  Publish();
}

uint64_t Session::samples_to_learn() const {
  return standardiser_ ? turn_.spec->learn_samples - standardiser_->samples()
                       : 0;
}

void Session::Learn(std::span<const float> rows) {
  const size_t columns = layout_.input_size();
  const uint64_t count = rows.size() / columns;
  const bool completes = count == samples_to_learn();
  // All memory first: what is counted as learnt has been learnt from.
  std::shared_ptr<SessionSpec> known;
  if (completes) {
    known = std::make_shared<SessionSpec>(*turn_.spec);
    known->input.mean.resize(columns);
    known->input.factor.resize(columns);
  }
  NoteChange();
  standardiser_->Add(rows);
  if (completes) {
    standardiser_->Finish(known->input.mean, known->input.factor);
    standardiser_.reset();
  }
  turn_.progress.next_offset += count;
  if (completes) turn_.spec = std::move(known);
  Publish();
}

}  // namespace backprop
