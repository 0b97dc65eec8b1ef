// SPDX-License-Identifier: Apache-2.0
#include "tests/client/cpp/session_fake.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <utility>

#include "client/cpp/training_stub.h"
#include "engine/contract/digest.h"
#include "tests/client/cpp/session_message.h"
#include "tests/client/mock_reader.h"

namespace backprop::testing {
namespace {

std::vector<float> FloatsOf(const std::string& bytes) {
  std::vector<float> floats(bytes.size() / sizeof(float));
  if (!floats.empty()) {
    std::memcpy(floats.data(), bytes.data(), bytes.size());
  }
  return floats;
}

// What leaves inputs as they are.
v1::Standardisation Unchanging() {
  v1::Standardisation standardisation;
  standardisation.add_mean(0);
  standardisation.add_factor(1);
  return standardisation;
}

}  // namespace

// One connection. Its messages are read when the client reads the answers.
class FakeCall : public TrainStream::Call {
 public:
  FakeCall(SessionFake& fake, FakeLife life)
      : fake_(fake), life_(std::move(life)) {}

  void WaitForInitialMetadata() override {}
  bool NextMessageSize(uint32_t* size) override {
    *size = 1;
    return true;
  }

  bool Write(const v1::TrainRequest& request, grpc::WriteOptions) override {
    std::lock_guard<std::mutex> lock(fake_.mutex_);
    if (broken_) return false;
    requests_.push_back(request);
    if (request.when_durable()) fake_.hurried_.push_back(request.offset());
    if (opened_) fake_.received_offsets_.push_back(request.received_offset());
    fake_.changed_.notify_all();
    return true;
  }
  bool WritesDone() override {
    std::lock_guard<std::mutex> lock(fake_.mutex_);
    closed_ = true;
    fake_.changed_.notify_all();
    return !broken_;
  }

  bool Read(v1::TrainResponse* response) override {
    std::unique_lock<std::mutex> lock(fake_.mutex_);
    fake_.changed_.wait(
        lock, [&] { return !requests_.empty() || closed_ || fake_.news_; });
    response->Clear();
    if (!opened_) {
      fake_.hung_ = fake_.hung_ || life_.hangs;
      fake_.changed_.wait(lock, [&] { return !life_.hangs || fake_.let_go_; });
      return Open(response);
    }
    if (std::exchange(fake_.news_, false)) {
      fake_.Fill(response);
      response->set_durable_news(true);
      response->set_message_number(number_ - 1);
      return true;
    }
    if (life_.responses.has_value() && given_ >= *life_.responses) {
      return Break(response);
    }
    if (requests_.empty()) return false;
    if (life_.hangs_hurried && requests_.front().when_durable()) {
      fake_.hung_ = true;
      fake_.changed_.wait(lock, [&] { return fake_.let_go_; });
      return Break(response);
    }
    ++given_;
    Answer(response);
    return true;
  }

  grpc::Status Finish() override {
    std::lock_guard<std::mutex> lock(fake_.mutex_);
    const bool ended_well = !broken_;
    broken_ = true;
    return ended_well ? grpc::Status() : life_.end;
  }

 private:
  bool Open(v1::TrainResponse* response) {
    fake_.openings_.push_back(requests_.front());
    requests_.pop_front();
    opened_ = true;
    if (life_.refuses_opening) {
      broken_ = true;
      return false;
    }
    fake_.Fill(response);
    response->set_resync(life_.resync);
    response->set_message_done(true);
    return true;
  }

  bool Break(v1::TrainResponse* response) {
    if (std::exchange(life_.goodbye, false)) {
      fake_.Fill(response);
      response->set_goodbye(true);
      response->set_message_number(number_);
      return true;
    }
    v1::TrainResponse lost;
    while (life_.applied_unanswered > 0 && !requests_.empty()) {
      --life_.applied_unanswered;
      while (!(Answer(&lost), lost.message_done())) {
      }
    }
    for (int i = 0; i < life_.parts_unanswered; ++i) Answer(&lost);
    if (life_.crash_to.has_value()) fake_.Crash(*life_.crash_to);
    broken_ = true;
    return false;
  }

  void Answer(v1::TrainResponse* response) {
    response->Clear();
    const v1::TrainRequest& request = requests_.front();
    const std::vector<float> inputs = FloatsOf(request.inputs());
    if (answered_ == 0) fake_.received_ += inputs.size();
    fake_.Fill(response);
    response->set_message_number(number_);
    response->set_message_done(true);
    const uint64_t at = fake_.samples_.size();
    if (inputs.empty()) {
      Refuse(grpc::StatusCode::INVALID_ARGUMENT, response);
    } else if (request.offset() > at) {
      Refuse(grpc::StatusCode::OUT_OF_RANGE, response);
    } else if (!Repeat(request, response)) {
      Train(request.offset(), inputs, response);
      if (!skips_) fake_.Hold(request, *response);
    }
    if (!response->message_done()) return;
    requests_.pop_front();
    answered_ = 0;
    repeated_ = 0;
    trains_ = skips_ = false;
    ++number_;
  }

  // False: there is no (other) answer to it that is held.
  bool Repeat(const v1::TrainRequest& request, v1::TrainResponse* response) {
    const SessionFake::Held* const held = fake_.FindHeld(request);
    if (held == nullptr || trains_ || repeated_ == held->responses.size()) {
      return false;
    }
    *response = held->responses[repeated_++];
    response->set_held(true);
    response->set_message_number(number_);
    answered_ = response->next_offset() - request.offset();
    return true;
  }

  void Train(uint64_t offset, const std::vector<float>& inputs,
             v1::TrainResponse* response) {
    const uint64_t before =
        std::min<uint64_t>(fake_.samples_.size() - offset, inputs.size());
    if (answered_ == 0) response->set_skipped_samples(before);
    trains_ = true;
    skips_ |= response->skipped_samples() > 0;
    uint64_t end = before + std::min(inputs.size() - before, fake_.part_);
    bool refused = false;
    if (life_.refuse_at.has_value() && *life_.refuse_at - offset < end) {
      end = std::exchange(life_.refuse_at, std::nullopt).value() - offset;
      refused = true;
    }
    std::vector<float> rows;
    const bool learns = !fake_.learnt();
    for (uint64_t i = before; i < end; ++i) {
      fake_.samples_.push_back(inputs[i]);
      if (fake_.samples_.size() <= fake_.learn_) continue;
      response->add_errors(inputs[i]);
      rows.insert(rows.end(), {inputs[i], 1});
    }
    const uint64_t base = response->base_step();
    fake_.Fill(response);
    response->set_base_step(base);
    response->set_deltas(Bytes(rows));
    AddDigest(response->step(), Digest(fake_.WeightsAfter(fake_.samples_)),
              response);
    if (learns && fake_.learnt()) {
      *response->mutable_standardisation() = Unchanging();
    }
    answered_ = end;
    response->set_message_done(refused || end == inputs.size());
    if (refused) Refuse(grpc::StatusCode::FAILED_PRECONDITION, response);
  }

  static void Refuse(grpc::StatusCode code, v1::TrainResponse* response) {
    response->mutable_rejection()->set_code(code);
    response->mutable_rejection()->set_message("refused");
  }

  SessionFake& fake_;
  FakeLife life_;
  // As fake_'s: guarded by its mutex.
  std::deque<v1::TrainRequest> requests_;
  bool opened_ = false;
  bool closed_ = false;
  bool broken_ = false;
  int given_ = 0;
  uint64_t number_ = 1;
  uint64_t answered_ = 0;  // samples of the first of requests_
  size_t repeated_ = 0;    // held answers to it that were given
  bool trains_ = false;    // what was not held of it was looked at
  bool skips_ = false;     // some of it was skipped
};

SessionFake::SessionFake(std::vector<FakeLife> lives, bool durable,
                         uint64_t lag)
    : session_(SessionMessage(1, {1})),
      durable_(durable),
      lag_(lag),
      lives_(std::move(lives)) {
  session_.mutable_spec()->mutable_durability()->set_mode(
      durable ? v1::DURABILITY_MODE_DURABLE : v1::DURABILITY_MODE_MEMORY);
  using ::testing::_;
  ON_CALL(*stub_, TrainRaw(_)).WillByDefault([this](grpc::ClientContext*) {
    std::lock_guard<std::mutex> lock(mutex_);
    return new FakeCall(
        *this, next_life_ < lives_.size() ? lives_[next_life_++] : FakeLife());
  });
  ON_CALL(*stub_, GetWeightsRaw(_, _))
      .WillByDefault([this](auto*, const v1::GetWeightsRequest&) {
        std::lock_guard<std::mutex> lock(mutex_);
        ++anchors_;
        const std::vector<float> weights = WeightsAfter(samples_);
        v1::GetWeightsResponse chunk;
        chunk.set_step(step());
        if (learn_ > 0 && learnt()) {
          *chunk.mutable_standardisation() = Unchanging();
        }
        chunk.set_weight_count(weights.size());
        chunk.set_digest(Digest(weights));
        chunk.set_weights(Bytes(weights));
        return ReaderOf<v1::GetWeightsResponse>({chunk}).release();
      });
}

TrainingClient SessionFake::Client(const SendWindow& window) {
  ClientOptions options;
  options.send_window = window;
  return TrainingClient(TrainingStub{stub_}, options);
}

void SessionFake::set_learn(uint64_t samples) {
  learn_ = samples;
  session_.mutable_spec()
      ->mutable_input()
      ->mutable_standardisation()
      ->set_learn_samples(samples);
}

bool SessionFake::Covers(const Held& held) const {
  const uint64_t end =
      held.request.offset() + held.request.inputs().size() / sizeof(float);
  return held.responses.back().next_offset() >=
         std::min<uint64_t>(end, samples_.size());
}

const SessionFake::Held* SessionFake::FindHeld(
    const v1::TrainRequest& request) const {
  for (const Held& held : held_) {
    if (held.request.offset() == request.offset() &&
        held.request.inputs() == request.inputs() && Covers(held)) {
      return &held;
    }
  }
  return nullptr;
}

void SessionFake::Hold(const v1::TrainRequest& request,
                       const v1::TrainResponse& response) {
  if (holds_ == 0 || response.has_rejection()) return;
  if (held_.empty() || held_.back().request.offset() != request.offset()) {
    held_.push_back({request, {}});
  }
  held_.back().responses.push_back(response);
  if (held_.size() > holds_) held_.pop_front();
}

bool SessionFake::hung() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return hung_;
}

bool SessionFake::LetGo() {
  std::lock_guard<std::mutex> lock(mutex_);
  let_go_ = hung_;
  changed_.notify_all();
  return hung_;
}

void SessionFake::TellDurable() {
  std::lock_guard<std::mutex> lock(mutex_);
  lag_ = 0;
  news_ = true;
  changed_.notify_all();
}

std::vector<float> SessionFake::samples() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return samples_;
}

std::vector<float> SessionFake::weights() const {
  return WeightsAfter(samples());
}

uint64_t SessionFake::epoch() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return epoch_;
}

std::vector<v1::TrainRequest> SessionFake::openings() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return openings_;
}

std::vector<uint64_t> SessionFake::received_offsets() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return received_offsets_;
}

uint64_t SessionFake::samples_received() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return received_;
}

std::vector<uint64_t> SessionFake::hurried() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return hurried_;
}

int SessionFake::anchors() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return anchors_;
}

uint64_t SessionFake::durable_offset() const {
  if (!durable_) return 0;
  return samples_.size() - std::min<uint64_t>(lag_, samples_.size());
}

uint64_t SessionFake::step() const {
  return samples_.size() - std::min<uint64_t>(learn_, samples_.size());
}

std::vector<float> SessionFake::WeightsAfter(
    const std::vector<float>& samples) const {
  std::vector<float> weights = {0, 0};
  for (size_t i = learn_; i < samples.size(); ++i) {
    weights[0] += samples[i];
    weights[1] += 1;
  }
  return weights;
}

bool SessionFake::learnt() const { return samples_.size() >= learn_; }

void SessionFake::Fill(v1::TrainResponse* response) const {
  response->set_base_step(step());
  response->set_step(step());
  response->set_next_offset(samples_.size());
  response->set_epoch(epoch_);
  response->set_durable_offset(durable_offset());
}

void SessionFake::Crash(uint64_t offset) {
  samples_.resize(std::min<size_t>(samples_.size(), offset));
  held_.clear();
  ++epoch_;
}

}  // namespace backprop::testing
