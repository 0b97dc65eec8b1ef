// SPDX-License-Identifier: Apache-2.0
#include "server/store/session_steps.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/server/allocation_limit.h"
#include "tests/server/store/stored_run.h"

namespace backprop::testing {
namespace {

constexpr size_t kStepsHeadBytes = 2 + 5 * 8;

// All steps of the run in one piece, whose parts are of either kind.
std::string PieceOfRun(const TrainedRun& run, uint32_t seed) {
  Random random(seed);
  StepsWriter writer = run.WriterAfter(run.begin());
  for (const TrainedCall& call : run.calls) {
    writer.Append(run.PartOf(call, random.Below(3) == 0));
  }
  return writer.Take();
}

absl::StatusOr<uint64_t> ApplyTo(Numbers& numbers, const TrainedRun& run,
                                 std::string_view piece, uint64_t after,
                                 uint64_t until) {
  return ApplySteps(piece, run.problem.layout, run.format, after, until,
                    numbers.weights, numbers.state);
}

// A little one: 2-1, momentum, bytes as inputs, two steps of one sample.
struct LittleSession {
  Layout layout = Layout::Create(2, std::vector<size_t>{1}, 1, 100,
                                 std::vector{DeltaForm::kFactored})
                      ->WithRule(rules::Momentum::kRule);
  InputFormat format{ElementType::kUint8, 1, {}, {}};
  std::vector<float> rows = {1, 0};
  std::vector<float> scalars = {0.5F, 0, 0, 0, 0, 0.75F,
                                0.5F, 0, 0, 0, 0, 0.75F};
  std::string inputs = std::string("\0\7\0\0", 4);
  std::vector<float> weights = {1, 2, 3};
  std::vector<float> state = {0, 4, 8};

  std::string Piece() const {
    StepsWriter writer(layout, format.element_type, 8);
    writer.Append({rows, scalars, inputs});
    return writer.Take();
  }
  absl::StatusOr<uint64_t> Apply(std::string_view piece, uint64_t after = 8,
                                 uint64_t until = 10) {
    return ApplySteps(piece, layout, format, after, until, weights, state);
  }
};

std::string Bytes(std::initializer_list<int> bytes) {
  std::string text;
  for (const int byte : bytes) text.push_back(static_cast<char>(byte));
  return text;
}

std::string Word(uint64_t number) {
  return {reinterpret_cast<const char*>(&number), sizeof(number)};
}

std::string Float(float number) {
  return {reinterpret_cast<const char*>(&number), sizeof(number)};
}

TEST(SessionStepsTest, APieceIsAsItIsDescribed) {
  const std::string scalars =
      Bytes({1, 0b100001}) + Float(0.5F) + Float(0.75F);  // of six
  const std::string expected =
      Bytes({1, 1}) + Word(8) + Word(10) + Word(1) + Word(6) + Word(2) +
      Bytes({2, 2, 0, 0, 0}) + scalars +          // one row for both steps
      Bytes({0}) + Float(1) + Bytes({0, 0, 7}) +  // u = 1; inputs as they are
      Bytes({1, 0}) + Bytes({1, 0});              // u = 0; inputs are 0
  EXPECT_EQ(LittleSession().Piece(), expected);
}

TEST(SessionStepsTest, StepsAreAppliedByTheContractsFormulas) {
  LittleSession session;
  ASSERT_EQ(*session.Apply(session.Piece()), 10);
  // Step 9: g = (0, 7, 1); m = 0.75·(0, 4, 8) + g; w = w − 0.5·m.
  // Step 10: g = 0.
  EXPECT_EQ(session.state, (std::vector<float>{0, 7.5F, 5.25F}));
  EXPECT_EQ(session.weights,
            (std::vector<float>{1, 2 - 5 - 3.75F, 3 - 3.5F - 2.625F}));
}

TEST(SessionStepsTest, AnyStretchOfARunIsAppliedBitForBit) {
  for (uint32_t seed = 100; seed < 140; ++seed) {
    SCOPED_TRACE(seed);
    const TrainedRun run = RandomRun(seed);
    const std::string piece = PieceOfRun(run, seed);
    Random random(seed);
    for (int i = 0; i < 8; ++i) {
      const auto any = [&] {
        return std::next(run.after.begin(), random.Below(run.after.size()));
      };
      const auto from = any();
      const auto to = any();
      Numbers numbers = from->second;
      const absl::StatusOr<uint64_t> reached =
          ApplyTo(numbers, run, piece, from->first, to->first);
      ASSERT_TRUE(reached.ok()) << reached.status();
      EXPECT_EQ(*reached, std::max(from->first, to->first));
      ExpectSameBits(to->first > from->first ? to->second : from->second,
                     numbers);
    }
  }
}

TEST(SessionStepsTest, TwoPiecesJoinedAreTheOneThatAWriterMakesOfBoth) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    const TrainedRun run = RandomRun(seed);
    StepsWriter all = run.WriterAfter(run.begin());
    StepsWriter parts = run.WriterAfter(run.begin());
    std::string joined;
    for (const TrainedCall& call : run.calls) {
      all.Append(run.PartOf(call, false));
      parts.Append(run.PartOf(call, false));
      const std::string part = parts.Take();
      joined = joined.empty() ? part : JoinSteps(joined, part);
    }
    EXPECT_EQ(joined, all.Take());
  }
}

TEST(SessionStepsTest, TheWriterKnowsWhatItHolds) {
  const TrainedRun run = RandomRun(5);
  ASSERT_GE(run.calls.size(), 3);
  StepsWriter writer = run.WriterAfter(run.begin());
  EXPECT_TRUE(writer.empty());
  for (const TrainedCall& call : run.calls) {
    writer.Append(run.PartOf(call, false));
    EXPECT_EQ(writer.base_step(), run.begin());
    EXPECT_EQ(writer.step(), call.step);
    EXPECT_FALSE(writer.empty());
  }
  const uint64_t end = writer.step();
  const size_t bytes = writer.bytes();
  EXPECT_EQ(writer.Take().size(), bytes);
  EXPECT_EQ(writer.base_step(), end);
  EXPECT_EQ(writer.step(), end);
  EXPECT_TRUE(writer.empty());
  EXPECT_EQ(writer.bytes(), 0);
}

TEST(SessionStepsTest, APieceWithoutStepsChangesNothing) {
  LittleSession session;
  StepsWriter writer(session.layout, session.format.element_type, 8);
  const std::string piece = writer.Take();
  EXPECT_EQ(piece.size(), kStepsHeadBytes);
  EXPECT_EQ(*session.Apply(piece), 8);
  EXPECT_EQ(session.weights, LittleSession().weights);
}

TEST(SessionStepsTest, WithoutMemoryTheWriterHoldsWhatItHeld) {
  const TrainedRun run = RandomRun(5);
  StepsWriter writer = run.WriterAfter(run.begin());
  StepsWriter forgetful = run.WriterAfter(run.begin());
  size_t held = 0;  // calls
  bool failed = false;
  const auto append_all = [&] {
    try {
      for (; held < run.calls.size(); ++held) {
        writer.Append(run.PartOf(run.calls[held], false));
      }
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    forgetful.StartAfter(run.end());
  };
  {
    const AllocationLimit limit(4096);
    std::thread(append_all).join();
  }
  ASSERT_TRUE(failed);
  ASSERT_GT(held, 0);
  EXPECT_EQ(writer.step(), run.calls[held - 1].step);
  EXPECT_EQ(forgetful.step(), run.end());
  append_all();
  const std::string piece = writer.Take();
  Numbers numbers = run.after.at(run.begin());
  ASSERT_EQ(*ApplyTo(numbers, run, piece, run.begin(), run.end()), run.end());
  ExpectSameBits(run.after.at(run.end()), numbers);
}

TEST(SessionStepsTest, WhatWasForgottenIsNotInThePiece) {
  const TrainedRun run = RandomRun(6);
  ASSERT_GE(run.calls.size(), 3);
  StepsWriter writer = run.WriterAfter(run.begin());
  writer.Append(run.PartOf(run.calls[0], false));
  writer.StartAfter(run.calls[1].step);
  writer.Append(run.PartOf(run.calls[2], false));
  const std::string piece = writer.Take();
  Numbers numbers = run.after.at(run.calls[1].step);
  ASSERT_EQ(*ApplyTo(numbers, run, piece, run.calls[1].step, run.calls[2].step),
            run.calls[2].step);
  ExpectSameBits(run.after.at(run.calls[2].step), numbers);
  EXPECT_EQ(ApplyTo(numbers, run, piece, run.begin(), run.calls[2].step)
                .status()
                .code(),
            absl::StatusCode::kDataLoss);
}

TEST(SessionStepsTest, StepsBringBackNoStateThatMovesADenseLayer) {
  const std::vector<size_t> sizes = {3, 2};
  const std::vector<DeltaForm> forms = {DeltaForm::kFactored,
                                        DeltaForm::kDense};
  const Layout mixed = *Layout::Create(4, sizes, 1, 100, forms);
  const Layout factored =
      *Layout::Create(4, sizes, 1, 100, std::vector(2, DeltaForm::kFactored));
  EXPECT_TRUE(StepsRestore(mixed));
  EXPECT_TRUE(StepsRestore(mixed.WithRule(rules::Sgd::kRule)));
  EXPECT_FALSE(StepsRestore(mixed.WithRule(rules::Momentum::kRule)));
  EXPECT_TRUE(StepsRestore(factored.WithRule(rules::Adam::kRule)));
}

TEST(SessionStepsTest, APieceOfAnotherNetworkIsRefused) {
  LittleSession session;
  const std::string piece = session.Piece();
  LittleSession other;
  other.layout = Layout::Create(2, std::vector<size_t>{2}, 1, 100,
                                std::vector{DeltaForm::kFactored})
                     ->WithRule(rules::Momentum::kRule);
  EXPECT_FALSE(other.Apply(piece).ok());
  other.layout = session.layout.WithRule(rules::Adam::kRule);
  EXPECT_FALSE(other.Apply(piece).ok());
  other.layout = session.layout;
  other.format.element_type = ElementType::kFloat32;
  EXPECT_FALSE(other.Apply(piece).ok());
  other.format.element_type = ElementType::kUint8;
  EXPECT_TRUE(other.Apply(piece).ok());
}

// Refused, and nothing was changed.
void ExpectRefused(const std::string& piece) {
  LittleSession session;
  const LittleSession before = session;
  // Of a size that AddressSanitizer knows.
  const std::vector<char> exact(piece.begin(), piece.end());
  const absl::StatusOr<uint64_t> reached =
      session.Apply({exact.data(), exact.size()});
  EXPECT_EQ(reached.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Bits(session.weights), Bits(before.weights));
  EXPECT_EQ(Bits(session.state), Bits(before.state));
}

TEST(SessionStepsTest, ATornPieceIsRefusedWhereverItEnds) {
  const std::string piece = LittleSession().Piece();
  for (size_t length = 0; length < piece.size(); ++length) {
    SCOPED_TRACE(length);
    ExpectRefused(piece.substr(0, length));
  }
  ExpectRefused(piece + '\0');
}

TEST(SessionStepsTest, StepsThatDontAddUpAreRefused) {
  const std::string piece = LittleSession().Piece();
  const auto with = [&](size_t at, const std::string& bytes) {
    std::string changed = piece;
    return changed.replace(at, bytes.size(), bytes);
  };
  ExpectRefused(with(0, Bytes({2})));               // another form
  ExpectRefused(with(2, Word(9)));                  // base_step
  ExpectRefused(with(2, Word(11)));                 // behind step
  ExpectRefused(with(10, Word(9)));                 // step
  ExpectRefused(with(10, Word(~uint64_t{0})));      // step
  ExpectRefused(with(18, Word(~uint64_t{0} / 4)));  // delta row
  ExpectRefused(with(42, Bytes({4})));              // kind of part
  ExpectRefused(with(43, Bytes({0, 0, 0, 0})));     // steps of part
  ExpectRefused(with(43, Bytes({3, 0, 0, 0})));
  ExpectRefused(with(43, Bytes({255, 255, 255, 255})));
}

TEST(SessionStepsTest, AnInputThatIsNotFiniteIsRefused) {
  LittleSession session;
  StepsWriter writer(session.layout, session.format.element_type, 8);
  const float values[] = {0, std::numeric_limits<float>::infinity()};
  writer.Append({std::span(session.rows).first(1),
                 std::span(session.scalars).first(6),
                 {reinterpret_cast<const char*>(values), sizeof(values)},
                 /*inputs_are_values=*/true});
  EXPECT_EQ(session.Apply(writer.Take()).status().code(),
            absl::StatusCode::kDataLoss);
}

// The store's hash finds such; here it is enough that nothing outside is
// touched.
TEST(SessionStepsTest, EverySingleBitThatFlipsIsRefusedOrStaysWithin) {
  const TrainedRun run = RandomRun(11);
  ASSERT_GE(run.calls.size(), 2);
  StepsWriter writer = run.WriterAfter(run.begin());
  writer.Append(run.PartOf(run.calls[0], false));
  writer.Append(run.PartOf(run.calls[1], true));
  const uint64_t end = writer.step();
  std::string piece = writer.Take();
  size_t refused = 0;
  for (size_t bit = 0; bit < piece.size() * 8; bit += 1 + bit / 800) {
    piece[bit / 8] = static_cast<char>(piece[bit / 8] ^ 1 << bit % 8);
    const std::vector<char> exact(piece.begin(), piece.end());
    Numbers numbers = run.after.at(run.begin());
    refused +=
        !ApplyTo(numbers, run, {exact.data(), exact.size()}, run.begin(), end)
             .ok();
    piece[bit / 8] = static_cast<char>(piece[bit / 8] ^ 1 << bit % 8);
  }
  EXPECT_GE(refused, 8 * kStepsHeadBytes / 2);
}

}  // namespace
}  // namespace backprop::testing
