// SPDX-License-Identifier: Apache-2.0
//
// Sessions that keep a history, through their journals, a committer and a store
// in memory, against a twin that copied them after each step.
#include "server/sessions/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <limits>
#include <map>
#include <random>
#include <thread>

#include "server/sessions/checkpoint_reader.h"
#include "server/sessions/committer.h"
#include "server/sessions/history_reader.h"
#include "server/sessions/rejection.h"
#include "server/sessions/short_block.h"
#include "server/translation/spec.h"
#include "server/translation/stored_session.h"
#include "tests/server/session_kinds.h"
#include "tests/server/sessions/loaded_session.h"
#include "tests/server/sessions/memory_store.h"
#include "tests/server/sessions/trained_session.h"

namespace backprop {
namespace {

using std::chrono::milliseconds;
using testing::Kind;
using testing::kKinds;

constexpr char kId[] = "s-0123456789abcdef";
constexpr size_t kNoLimit = 100'000'000;

// All that a session is at a moment, and who draws its next samples.
struct Copy {
  std::vector<float> weights;
  std::vector<float> state;
  uint64_t step = 0;
  uint64_t next_offset = 0;
  uint64_t state_age = 0;
  SchedulePosition schedule;
  float learning_rate = 0;
  std::vector<DoneRequest> requests;
  std::string display_name;
  std::mt19937 random;

  friend bool operator==(const Copy&, const Copy&) = default;
};

// The kind's spec, with what makes a history that keeps so many steps. Factors
// where rows would not bring the state back.
SessionSpec SpecWithHistory(const Kind& kind, uint64_t max_steps) {
  v1::SessionSpec proto = testing::SpecOf(kind);
  proto.mutable_history()->set_max_steps(max_steps);
  proto.mutable_durability()->set_mode(v1::DURABILITY_MODE_DURABLE);
  if (!LayoutOf(*SpecFromProto(proto, false), kNoLimit).ok()) {
    for (v1::Layer& layer : *proto.mutable_layers()) {
      layer.set_delta_form(v1::DELTA_FORM_FACTORED);
    }
  }
  return SpecFromProto(proto, false).value();
}

class HistoryTest : public ::testing::Test {
 protected:
  void SetUp() override { NewTable(); }

  void NewTable() {
    sessions_ = std::make_unique<SessionTable>(
        SessionLimits{.sessions = 10, .total_weights = kNoLimit},
        testing::NoFeed);
  }

  void Make(const SessionSpec& spec,
            size_t most_history_bytes = Journal::kNoBound) {
    copies_.clear();
    at_checkpoint_.clear();
    const Layout layout = LayoutOf(spec, kNoLimit).value();
    session_ = std::make_shared<Session>(
        SessionBirth{.id = kId}, spec, layout, testing::NoFeed(),
        Budget::Reservation(),
        Durable{
            .journal = std::make_unique<Journal>(
                codec_, layout, spec.input.element_type, most_history_bytes),
            .queue = &committer_});
    testing::FillWeights(*session_);
    session_->BeginCommitting();
    ASSERT_TRUE(AwaitDurable().ok());
    InTurn([&](Worker&) { Keep(); });
  }

  void Delete() {
    ASSERT_TRUE(session_->Close().ok());
    session_->BeginCommitting();
    ASSERT_TRUE(AwaitDurable().ok());
  }

  template <class Turn>
  void InTurn(Turn turn) {
    std::promise<void> done;
    pool_.Submit(session_->lane(), [&](Worker& worker) {
      turn(worker);
      done.set_value();
    });
    done.get_future().wait();
  }

  absl::Status AwaitDurable() {
    std::promise<absl::Status> told;
    committer_.Await(
        session_, [&](const absl::Status& status) { told.set_value(status); });
    return told.get_future().get();
  }

  // In its turn, or of one that nobody else has.
  Copy CopyOf(Session& session) {
    const Standing standing = session.standing();
    return {{session.weights().begin(), session.weights().end()},
            {session.state().begin(), session.state().end()},
            standing.progress.step,
            standing.progress.next_offset,
            standing.state_age,
            standing.schedule,
            session.moment().learning_rate,
            standing.requests.all(),
            session.in_turn().spec->display_name,
            random_};
  }

  void Keep() {
    const Copy copy = CopyOf(*session_);
    copies_[copy.step] = copy;
  }

  void LearnIfItMust(Worker& worker) {
    const uint64_t samples = session_->samples_to_learn();
    if (samples == 0) return;
    const auto rows =
        Grown(worker.inputs, samples * session_->layout().input_size());
    std::uniform_real_distribution<float> numbers(-1, 1);
    for (float& number : rows) number = numbers(random_);
    session_->Learn(rows);
  }

  // Each step has a copy.
  void Train(size_t steps) {
    InTurn([&](Worker& worker) {
      LearnIfItMust(worker);
      for (size_t i = 0; i < steps; ++i) {
        testing::TrainOnRandom(*session_, worker, 1, random_);
        if (session_->in_turn().progress.step % 5 == 0) Request("step");
        Keep();
      }
    });
  }
  // The last of them has.
  void TrainAtOnce(size_t steps) {
    InTurn([&](Worker& worker) {
      LearnIfItMust(worker);
      testing::TrainOnRandom(*session_, worker, steps, random_);
      Keep();
    });
  }

  // In its turn: the last that was done had a name.
  void Request(const std::string& what) {
    const uint64_t step = session_->in_turn().progress.step;
    session_->done_requests().Add(
        {{what + std::to_string(++requests_), requests_},
         what == "step" ? step : step + 1});
  }

  template <class Change>
  void Update(Change change, bool restarts_schedule = false) {
    InTurn([&](Worker&) {
      SessionSpec spec = *session_->in_turn().spec;
      change(spec);
      session_->Update(spec, restarts_schedule);
      Request("update");
    });
  }

  absl::StatusOr<std::shared_ptr<Session>> Read(uint64_t step) {
    return ReadStep(kId, step, session_->layout(), store_, codec_, *sessions_);
  }

  // It becomes `past`, of that epoch.
  void GoTo(Session& past, uint64_t epoch) {
    InTurn([&](Worker&) {
      const absl::Status status = session_->BeginRewind(past, epoch, [] {});
      EXPECT_TRUE(status.ok()) << status;
    });
    ASSERT_TRUE(AwaitDurable().ok());
    InTurn([&](Worker&) { session_->FinishRewind(past); });
  }

  void Rewind(uint64_t step) {
    ASSERT_TRUE(AwaitDurable().ok());
    const auto past = Read(step);
    ASSERT_TRUE(past.ok()) << past.status();
    GoTo(**past, session_->epoch());
    copies_.erase(copies_.upper_bound(step), copies_.end());
    InTurn([&](Worker&) { ExpectIsTwin(*session_, step); });
    EXPECT_EQ(session_->epochs().back().first_step, step);
  }

  void CheckpointNow(const std::string& name) {
    InTurn([&](Worker&) {
      const Checkpoint made{
          .name = name,
          .next_offset = session_->in_turn().progress.next_offset,
          .digest = session_->WeightsDigest()};
      EXPECT_TRUE(session_->EditCheckpoints({.put = made}).ok());
    });
  }
  void ReturnTo(const std::string& name) {
    ASSERT_TRUE(AwaitDurable().ok());
    const Checkpoint checkpoint =
        *session_->checkpoints()->Find(name)->checkpoint;
    const auto past = ReadCheckpoint(kId, checkpoint, session_->layout(),
                                     store_, codec_, *sessions_);
    ASSERT_TRUE(past.ok()) << past.status();
    GoTo(**past, checkpoint.epoch);
  }

  // The twin has a copy of where the checkpoint is, and of what led to it, if
  // that is what the session did last.
  void CheckpointOrGoBack() {
    if (session_->checkpoints()->Find("here") == nullptr) {
      CheckpointNow("here");
      ASSERT_TRUE(AwaitDurable().ok());
      at_checkpoint_ = copies_;
      return;
    }
    const auto checkpoint = session_->checkpoints()->Find("here")->checkpoint;
    const bool leads =
        MayGoOn(session_->epochs(), checkpoint->epoch, checkpoint->step);
    ReturnTo("here");
    InTurn([&](Worker&) {
      EXPECT_TRUE(session_->EditCheckpoints({.remove = {"here"}}).ok());
    });
    std::map<uint64_t, Copy> copies = at_checkpoint_;
    EXPECT_EQ(session_->in_turn().progress.step, copies.rbegin()->first);
    // What was set since the step is part of the checkpoint, not of the step.
    InTurn([&](Worker&) { random_ = copies.rbegin()->second.random; });
    if (!leads) {
      EXPECT_EQ(First(), copies.rbegin()->first);
    }
    copies_ = copies;
    if (First() < copies.rbegin()->first) return;
    // Where history begins, it begins with all that was set by then.
    copies_.clear();
    InTurn([&](Worker&) { Keep(); });
  }

  // What the store has is what there is.
  void Restart() {
    ASSERT_TRUE(AwaitDurable().ok());
    // Until the committer too has let go of it.
    const std::weak_ptr<Session> last_life = session_;
    const auto first = session_->moment().history_first_step;
    session_.reset();
    NewTable();
    while (!last_life.expired()) std::this_thread::sleep_for(milliseconds(1));
    session_ =
        testing::LoadedSession(kId, store_, codec_, committer_, *sessions_);
    EXPECT_EQ(session_->moment().history_first_step, first);
  }

  // Session: nobody else's, or in its turn.
  void ExpectIsTwin(Session& session, uint64_t step) {
    random_ = copies_.at(step).random;
    const Copy copy = CopyOf(session);
    const Copy& twin = copies_.at(step);
    EXPECT_TRUE(copy == twin)
        << "step " << step << ": weights " << (copy.weights == twin.weights)
        << ", state " << (copy.state == twin.state) << ", offsets "
        << copy.next_offset << " " << twin.next_offset << ", ages "
        << copy.state_age << " " << twin.state_age << ", schedule "
        << (copy.schedule == twin.schedule) << ", rates " << copy.learning_rate
        << " " << twin.learning_rate << ", requests " << copy.requests.size()
        << " " << twin.requests.size() << " "
        << (copy.requests == twin.requests) << ", names " << copy.display_name
        << " " << twin.display_name;
  }

  uint64_t First() { return session_->moment().history_first_step.value(); }

  // Of the steps that history should have the twin has some: all of these come
  // back, and none of before.
  void ExpectTwin(size_t most = kNoLimit) {
    ASSERT_TRUE(AwaitDurable().ok());
    const std::mt19937 random = random_;
    std::vector<uint64_t> steps;
    for (const auto& [step, copy] : copies_) steps.push_back(step);
    std::ranges::shuffle(steps, dice_);
    steps.resize(std::min(steps.size(), most));
    for (const uint64_t step : steps) {
      const auto past = Read(step);
      if (step < First()) {
        EXPECT_EQ(ReasonOf(past.status()), "STEP_NOT_KEPT") << step;
        continue;
      }
      ASSERT_TRUE(past.ok()) << past.status();
      ExpectIsTwin(**past, step);
    }
    random_ = random;
  }

  std::mt19937 random_{29};  // draws samples
  std::mt19937 dice_{31};    // what is done
  testing::MemoryStore store_;
  const ProtoCodec codec_;
  Undurable undurable_;
  std::unique_ptr<SessionTable> sessions_;
  ComputePool pool_{2, [](double) {}};
  Committer committer_{store_, pool_, milliseconds(1), nullptr, undurable_};
  std::shared_ptr<Session> session_;
  std::map<uint64_t, Copy> copies_;
  std::map<uint64_t, Copy> at_checkpoint_;
  uint64_t requests_ = 0;
};

TEST_F(HistoryTest, WhatFollowsOnAnyStepIsWhatFollowedTheFirstTime) {
  for (const Kind& kind : kKinds) {
    SCOPED_TRACE(kind.name);
    Make(SpecWithHistory(kind, 1'000'000));
    for (int i = 0; i < 5; ++i) {
      Train(1 + dice_() % 20);
      if (i % 2 == 0) {
        ASSERT_TRUE(AwaitDurable().ok());
      }
    }
    const std::map<uint64_t, Copy> first_time = copies_;
    const uint64_t last = first_time.rbegin()->first;
    for (int i = 0; i < 6; ++i) {
      const uint64_t step = i == 0 ? 0 : dice_() % (last + 1);
      Rewind(step);
      if (i % 3 == 2) Restart();
      while (copies_.rbegin()->first < last) {
        requests_ = copies_.rbegin()->first / 5;
        Train(1);
        const auto& [at, copy] = *copies_.rbegin();
        EXPECT_TRUE(copy.weights == first_time.at(at).weights) << at;
        EXPECT_TRUE(copy.schedule == first_time.at(at).schedule) << at;
        EXPECT_EQ(copy.next_offset, first_time.at(at).next_offset);
      }
      ExpectTwin();
    }
    Delete();
  }
}

TEST_F(HistoryTest, EveryStepComesBackWhateverTheSessionDoes) {
  for (const Kind& kind : kKinds) {
    SCOPED_TRACE(kind.name);
    Make(SpecWithHistory(kind, 100'000));
    for (int i = 0; i < 60 && !HasFatalFailure(); ++i) {
      switch (dice_() % 10) {
        case 0:
          Update([&](SessionSpec& spec) {
            spec.display_name = "name " + std::to_string(i);
          });
          break;
        case 1:
          Update([&](SessionSpec& spec) { spec.schedule.learning_rate /= 2; },
                 true);
          break;
        case 2:
          Restart();
          break;
        case 3: {
          auto it = copies_.lower_bound(First());
          std::advance(it, dice_() % std::distance(it, copies_.end()));
          const uint64_t step = it->first;
          Rewind(step);
          break;
        }
        case 4:
          TrainAtOnce(1 + dice_() % 300);
          break;
        case 5:
          CheckpointOrGoBack();
          break;
        default:
          Train(1 + dice_() % 9);
      }
      if (dice_() % 2 == 0) {
        ASSERT_TRUE(AwaitDurable().ok());
      }
      if (i % 10 == 9) ExpectTwin(8);
    }
    ExpectTwin();
    Delete();
  }
}

TEST_F(HistoryTest, WhatIsBeyondALimitGoes) {
  Make(SpecWithHistory(kKinds[1], 100));
  const auto train = [&](size_t steps) {
    for (size_t i = 0; i < steps; ++i) {
      TrainAtOnce(10);
      ASSERT_TRUE(AwaitDurable().ok());
    }
  };
  train(500);
  // Steps go with all that are read from the same image.
  EXPECT_LE(First(), 4901u);
  EXPECT_GT(First(), 0u);
  const size_t few = session_->moment().stored_bytes;
  ExpectTwin(40);

  Update([](SessionSpec& spec) { spec.history = {.max_bytes = 200'000}; });
  train(500);
  const uint64_t first = First();
  EXPECT_GT(session_->moment().stored_bytes, few);
  size_t bytes = 0;
  const auto stored = store_.Load(kId);
  for (const StoredPiece& piece : stored->pieces) bytes += piece.bytes;
  EXPECT_EQ(session_->moment().stored_bytes, bytes);
  train(500);
  EXPECT_GT(First(), first);
  EXPECT_LT(session_->moment().stored_bytes, 300'000u);
  Restart();
  ExpectTwin(40);

  Update([](SessionSpec& spec) {
    spec.history = {.max_age = std::chrono::seconds(1)};
  });
  std::this_thread::sleep_for(milliseconds(1100));
  train(1);
  EXPECT_GT(First(), first);
  EXPECT_LT(session_->moment().stored_bytes, few);
  ExpectTwin(40);

  Update([](SessionSpec& spec) { spec.history = {}; });
  ASSERT_TRUE(AwaitDurable().ok());
  EXPECT_FALSE(session_->moment().history_first_step.has_value());
  EXPECT_EQ(store_.CountOf(kId, PieceKind::kBlock), 0u);
  EXPECT_EQ(store_.CountOf(kId, PieceKind::kSpec), 1u);
  Restart();
}

// Else a stream of a sample a commit would cost the store two rows of each.
TEST_F(HistoryTest, ShortBlocksArePutTogether) {
  Make(SpecWithHistory(kKinds[0], 100'000));
  for (int i = 0; i < 150; ++i) {
    Train(1);
    ASSERT_TRUE(AwaitDurable().ok());
  }
  const size_t rows = store_.BytesOf(kId, PieceKind::kSteps);
  const size_t most = 3 + rows / (ShortBlock::kMostBytes / 2);
  ASSERT_LT(most, 100u);
  EXPECT_LE(store_.CountOf(kId, PieceKind::kSteps), most);
  EXPECT_LE(store_.CountOf(kId, PieceKind::kBlock), most + 1);
  EXPECT_GT(session_->moment().past_bytes, 0u);
  ExpectTwin();
  // What a checkpoint holds stays as it is.
  CheckpointNow("a");
  for (int i = 0; i < 5; ++i) {
    Train(1);
    ASSERT_TRUE(AwaitDurable().ok());
  }
  ExpectTwin();
  Restart();
  Train(5);
  ReturnTo("a");
  EXPECT_EQ(session_->in_turn().progress.step, 150u);
  copies_.erase(copies_.upper_bound(150), copies_.end());
  ExpectTwin();
}

TEST_F(HistoryTest, TheServersLimitHoldsWhereTheSpecHasNone) {
  Make(SpecWithHistory(kKinds[1], 1'000'000), 200'000);
  for (size_t i = 0; i < 700; ++i) {
    TrainAtOnce(10);
    ASSERT_TRUE(AwaitDurable().ok());
  }
  EXPECT_GT(First(), 0u);
  EXPECT_LT(session_->moment().stored_bytes, 300'000u);
  ExpectTwin(20);
  SessionSpec spec = *session_->in_turn().spec;
  spec.history.max_bytes = 200'000;
  EXPECT_TRUE(session_->MakeRoomFor(spec).ok());
  ++spec.history.max_bytes;
  const absl::Status refused = session_->MakeRoomFor(spec);
  EXPECT_EQ(ReasonOf(refused), "INVALID_REQUEST");
  ASSERT_EQ(ViolationsOf(refused).size(), 1u);
  EXPECT_EQ(ViolationsOf(refused)[0].field, "spec.history.max_bytes");
}

TEST_F(HistoryTest, GoingBackLeavesNoSpecBehind) {
  Make(SpecWithHistory(kKinds[0], 1'000'000));
  Train(20);
  for (int i = 0; i < 6; ++i) {
    Rewind(10);
    Train(3);
    ASSERT_TRUE(AwaitDurable().ok());
  }
  EXPECT_LE(store_.CountOf(kId, PieceKind::kSpec), 2u);
  ExpectTwin();
}

// Steps of a life that is over are not to be come to by its history.
TEST_F(HistoryTest, BeginsAnewAtACheckpointThatItDoesNotLeadTo) {
  Make(SpecWithHistory(kKinds[5], 1000));
  Train(20);
  CheckpointNow("a");
  const Copy then = copies_.at(20);
  Rewind(10);
  random_.seed(5);
  Train(15);
  ReturnTo("a");
  copies_ = {{20, then}};
  EXPECT_EQ(First(), 20u);
  Train(5);
  ExpectTwin();
  Rewind(22);
  ReturnTo("a");
  EXPECT_EQ(First(), 20u);
}

TEST_F(HistoryTest, ADamagedBlockIsSaidToBe) {
  Make(SpecWithHistory(kKinds[0], 1000));
  Train(10);
  ASSERT_TRUE(AwaitDurable().ok());
  const StoredSession stored = store_.Load(kId).value();
  const auto head = codec_.DecodeHead(stored.head);
  ASSERT_TRUE(head.ok()) << head.status();
  const auto block = FindBlock(LiveBlocks(stored.pieces, head->pieces, 10), 5);
  ASSERT_TRUE(block.has_value());
  const std::string bytes = store_.ReadPiece(kId, block->number).value();
  ASSERT_TRUE(codec_.DecodeBlock(*block, bytes).ok());
  PieceName longer = *block;
  ++longer.step;
  EXPECT_TRUE(absl::IsDataLoss(codec_.DecodeBlock(longer, bytes).status()));
  longer.base_step = longer.step + 1;
  EXPECT_TRUE(absl::IsDataLoss(codec_.DecodeBlock(longer, bytes).status()));
  HistoryBlock none = codec_.DecodeBlock(*block, bytes).value();
  none.errors[0] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(absl::IsDataLoss(
      codec_.DecodeBlock(*block, codec_.EncodeBlock(none)).status()));
  for (size_t length = 0; length < bytes.size(); ++length) {
    const auto torn = codec_.DecodeBlock(*block, bytes.substr(0, length));
    // What is left out at a message's end may be missing: then it is another.
    if (torn.ok()) {
      EXPECT_FALSE(*torn == *codec_.DecodeBlock(*block, bytes));
    }
  }
  store_.Spoil(kId);
  EXPECT_EQ(ReasonOf(Read(5).status()), "SESSION_DAMAGED");
}

}  // namespace
}  // namespace backprop
