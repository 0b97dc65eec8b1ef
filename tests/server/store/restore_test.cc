// SPDX-License-Identifier: Apache-2.0
//
// What the engine's trainer left is what comes back, bit for bit, wherever the
// pieces were cut and whatever of them is gone.
#include "server/store/restore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/engine/named_optimiser.h"
#include "tests/server/store/stored_run.h"

namespace backprop::testing {
namespace {

constexpr uint32_t kRuns = 80;

size_t WeightsOf(const TrainedRun& run) { return run.problem.weights.size(); }

ImageRange WholeAt(const TrainedRun& run, uint64_t step) {
  return {step, 0, WeightsOf(run)};
}

ImageRange RandomRange(Random& random, const TrainedRun& run, uint64_t step) {
  const size_t first = random.Below(WeightsOf(run));
  return {step, first, 1 + random.Below(WeightsOf(run) - first)};
}

// A session's pieces: its steps, cut at random, and parts of images between.
// ranges: of those images, by the numbers of their pieces.
PieceShelf RandomShelf(Random& random, const TrainedRun& run,
                       std::map<uint64_t, ImageRange>* ranges) {
  PieceShelf shelf;
  const auto put_image = [&](const ImageRange& range) {
    shelf.PutImage(run, range);
    (*ranges)[shelf.pieces().rbegin()->first] = range;
  };
  put_image(WholeAt(run, run.begin()));
  StepsWriter writer = run.WriterAfter(run.begin());
  for (const TrainedCall& call : run.calls) {
    writer.Append(run.PartOf(call, random.Below(4) == 0));
    if (random.Below(3) == 0) put_image(RandomRange(random, run, call.step));
    if (random.Below(4) == 0) shelf.PutSteps(writer);
  }
  if (!writer.empty()) shelf.PutSteps(writer);
  return shelf;
}

PieceShelf ShelfOfWholeRun(const TrainedRun& run) {
  PieceShelf shelf;
  shelf.PutImage(run, WholeAt(run, run.begin()));
  StepsWriter writer = run.WriterAfter(run.begin());
  for (const TrainedCall& call : run.calls) {
    writer.Append(run.PartOf(call, false));
  }
  shelf.PutSteps(writer);
  return shelf;
}

// By the definition: number by number, step by step.
bool CanBeRestored(const PieceShelf& shelf,
                   const std::map<uint64_t, ImageRange>& ranges,
                   uint64_t step) {
  const StoredSession stored = shelf.At(step);
  std::set<uint64_t> steps;
  size_t count = 0;
  for (const auto& [number, range] : ranges) {
    count = std::max<size_t>(count, range.first + range.count);
  }
  for (const StoredPiece& piece : stored.pieces) {
    if (piece.name.kind != PieceKind::kSteps) continue;
    for (uint64_t s = piece.name.base_step; s < piece.name.step; ++s) {
      steps.insert(s + 1);
    }
  }
  std::vector<bool> there(count);
  for (const StoredPiece& piece : stored.pieces) {
    if (piece.name.kind != PieceKind::kImage || piece.name.step > step) {
      continue;
    }
    bool leads = true;
    for (uint64_t s = piece.name.step; s < step; ++s) {
      leads = leads && steps.contains(s + 1);
    }
    if (!leads) continue;
    const ImageRange& range = ranges.at(piece.name.number);
    std::fill_n(there.begin() + range.first, range.count, true);
  }
  return std::ranges::all_of(there, std::identity());
}

TEST(RestoreTest, EveryRunComesBackBitForBitAtEveryStepThatWasSeen) {
  for (uint32_t seed = 0; seed < kRuns; ++seed) {
    SCOPED_TRACE(seed);
    const TrainedRun run = RandomRun(seed);
    Random random(seed);
    std::map<uint64_t, ImageRange> ranges;
    const PieceShelf shelf = RandomShelf(random, run, &ranges);
    for (const auto& [step, numbers] : run.after) {
      const absl::StatusOr<Numbers> restored = Restored(run, shelf, step);
      ASSERT_TRUE(restored.ok()) << restored.status();
      ExpectSameBits(numbers, *restored);
    }
  }
}

TEST(RestoreTest, WhatPiecesAreMissingIsToldOrDoesNotMatter) {
  size_t restored_runs = 0;
  size_t refused_runs = 0;
  for (uint32_t seed = 0; seed < kRuns; ++seed) {
    SCOPED_TRACE(seed);
    const TrainedRun run = RandomRun(seed);
    Random random(seed);
    std::map<uint64_t, ImageRange> ranges;
    PieceShelf shelf = RandomShelf(random, run, &ranges);
    // Parts of different steps are left, of which some may make a whole.
    if (seed % 2 == 0) shelf.pieces().erase(shelf.pieces().begin());
    for (size_t i = 0; i < 8 && !shelf.pieces().empty(); ++i) {
      auto gone = shelf.pieces().begin();
      std::advance(gone, random.Below(shelf.pieces().size()));
      shelf.pieces().erase(gone);
      auto at = run.after.begin();
      std::advance(at, random.Below(run.after.size()));
      const absl::StatusOr<Numbers> restored = Restored(run, shelf, at->first);
      ASSERT_EQ(restored.ok(), CanBeRestored(shelf, ranges, at->first))
          << restored.status();
      if (restored.ok()) {
        ExpectSameBits(at->second, *restored);
        ++restored_runs;
      } else {
        EXPECT_EQ(restored.status().code(), absl::StatusCode::kDataLoss);
        ++refused_runs;
      }
    }
  }
  EXPECT_GT(restored_runs, kRuns);
  EXPECT_GT(refused_runs, kRuns);
}

// After the whole run.
absl::Status StatusAtEnd(const TrainedRun& run, const PieceShelf& shelf) {
  return Restored(run, shelf, run.end()).status();
}

TEST(RestoreTest, APieceThatIsNotWhatItsNameSaysIsRefused) {
  const TrainedRun run = RandomRun(1);
  const PieceShelf shelf = ShelfOfWholeRun(run);
  ASSERT_TRUE(StatusAtEnd(run, shelf).ok());
  const auto change = [&](PieceKind kind, auto change_name) {
    PieceShelf changed = shelf;
    for (auto& [number, piece] : changed.pieces()) {
      if (piece.name.kind == kind) change_name(piece.name);
    }
    return StatusAtEnd(run, changed).code();
  };
  constexpr auto kDataLoss = absl::StatusCode::kDataLoss;
  EXPECT_EQ(change(PieceKind::kImage, [](PieceName& name) { ++name.step; }),
            kDataLoss);
  EXPECT_EQ(
      change(PieceKind::kImage, [](PieceName& name) { ++name.first_number; }),
      kDataLoss);
  EXPECT_EQ(change(PieceKind::kSteps, [](PieceName& name) { ++name.step; }),
            absl::StatusCode::kOk);  // what comes after the head's isn't asked
  EXPECT_EQ(change(PieceKind::kSteps, [](PieceName& name) { --name.step; }),
            kDataLoss);
  EXPECT_EQ(
      change(PieceKind::kSteps, [](PieceName& name) { ++name.base_step; }),
      kDataLoss);
}

// Steps up to the end are asked of a piece that ends before.
TEST(RestoreTest, APieceThatEndsBeforeItsNameSaysIsRefused) {
  const TrainedRun run = RandomRun(1);
  PieceShelf shelf = ShelfOfWholeRun(run);
  StepsWriter writer = run.WriterAfter(run.begin());
  writer.Append(run.PartOf(run.calls.front(), false));
  Piece& steps = shelf.pieces().rbegin()->second;
  ASSERT_EQ(steps.name.kind, PieceKind::kSteps);
  steps.bytes = writer.Take();
  EXPECT_EQ(StatusAtEnd(run, shelf).code(), absl::StatusCode::kDataLoss);
}

TEST(RestoreTest, AStateThatStepsDontBringComesFromAnImageOfTheHeadAlone) {
  TrainedRun run = TrainOn(MakeOptimiserProblem({5, 6, 3}, 1, DeltaForm::kDense,
                                                OptimiserOf("adam"), 20),
                           {}, {.lengths = {4}}, 1);
  PieceShelf shelf = ShelfOfWholeRun(run);
  EXPECT_EQ(StatusAtEnd(run, shelf).code(), absl::StatusCode::kDataLoss);
  shelf.PutImage(run, WholeAt(run, run.end()));
  const absl::StatusOr<Numbers> restored = Restored(run, shelf, run.end());
  ASSERT_TRUE(restored.ok()) << restored.status();
  ExpectSameBits(run.after.at(run.end()), *restored);
}

TEST(RestoreTest, WhatIsMissingIsToldInWords) {
  const TrainedRun run = RandomRun(1);
  ASSERT_GE(run.calls.size(), 3);
  PieceShelf shelf;
  shelf.PutImage(run, WholeAt(run, run.begin()));
  StepsWriter writer = run.WriterAfter(run.begin());
  for (size_t i = 0; i < 3; ++i) {
    writer.Append(run.PartOf(run.calls[i], false));
    if (i != 1) shelf.PutSteps(writer);
    writer.StartAfter(run.calls[i].step);
  }
  const uint64_t end = run.calls[2].step;
  EXPECT_THAT(std::string(Restored(run, shelf, end).status().message()),
              ::testing::HasSubstr(
                  absl::StrCat("stored steps lead to step ", end, " from step ",
                               run.calls[2].base, " on only")));
}

// The store's hash finds such; here it is enough that nothing outside is
// touched, and that the end is reached.
TEST(RestoreTest, PiecesOfOtherBytesAreRefusedOrStayWithin) {
  size_t refused = 0;
  for (uint32_t seed = 0; seed < 3 * kRuns; ++seed) {
    SCOPED_TRACE(seed);
    const TrainedRun run = RandomRun(seed % 8);
    Random random(seed);
    std::map<uint64_t, ImageRange> ranges;
    PieceShelf shelf = RandomShelf(random, run, &ranges);
    for (size_t i = 0; i < 4; ++i) {
      auto piece = shelf.pieces().begin();
      std::advance(piece, random.Below(shelf.pieces().size()));
      std::string& bytes = piece->second.bytes;
      // Most of what is checked stands at the begin.
      const size_t at =
          random.Below(random.Below(2) == 0 ? 60 : bytes.size()) % bytes.size();
      bytes[at] = static_cast<char>(bytes[at] ^ 1 << random.Below(8));
      if (random.Below(3) == 0) bytes.resize(1 + random.Below(bytes.size()));
    }
    const absl::Status status = StatusAtEnd(run, shelf);
    refused += !status.ok();
    EXPECT_TRUE(status.ok() || absl::IsDataLoss(status)) << status;
  }
  EXPECT_GT(refused, kRuns);
}

TEST(RestoreTest, NamesOfOtherStepsAreRefusedOrDontMatter) {
  const TrainedRun run = RandomRun(1);
  for (uint32_t seed = 0; seed < 4 * kRuns; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    std::map<uint64_t, ImageRange> ranges;
    PieceShelf shelf = RandomShelf(random, run, &ranges);
    for (auto& [number, piece] : shelf.pieces()) {
      if (random.Below(4) != 0) continue;
      uint64_t* const numbers[] = {&piece.name.step, &piece.name.base_step,
                                   &piece.name.first_number};
      uint64_t& changed = *numbers[random.Below(3)];
      changed =
          random.Below(4) == 0 ? ~uint64_t{0} : changed + 2 - random.Below(5);
    }
    const absl::StatusOr<Numbers> restored = Restored(run, shelf, run.end());
    if (restored.ok()) {
      ExpectSameBits(run.after.at(run.end()), *restored);
    } else {
      EXPECT_EQ(restored.status().code(), absl::StatusCode::kDataLoss);
    }
  }
}

TEST(RestoreTest, TheReadersErrorIsTold) {
  const TrainedRun run = RandomRun(2);
  const PieceShelf shelf = ShelfOfWholeRun(run);
  Numbers numbers = run.after.at(run.begin());
  const auto code = [&](const absl::Status& error) {
    return RestoreNumbers(
               shelf.At(run.end()), run.problem.layout, run.format,
               [&](uint64_t) -> absl::StatusOr<std::string> { return error; },
               numbers.weights, numbers.state)
        .code();
  };
  EXPECT_EQ(code(absl::UnavailableError("")), absl::StatusCode::kUnavailable);
  EXPECT_EQ(code(absl::NotFoundError("")), absl::StatusCode::kDataLoss);
}

TEST(RestoreTest, PiecesThatArentNeededAreNotRead) {
  const TrainedRun run = RandomRun(3);
  PieceShelf shelf = ShelfOfWholeRun(run);
  const uint64_t newest = std::prev(run.calls.end(), 2)->step;
  shelf.PutImage(run, WholeAt(run, newest));
  std::vector<PieceKind> read;
  Numbers numbers = run.after.at(run.begin());
  ASSERT_TRUE(RestoreNumbers(
                  shelf.At(newest), run.problem.layout, run.format,
                  [&](uint64_t number) {
                    read.push_back(shelf.pieces()[number].name.kind);
                    return shelf.Read(number);
                  },
                  numbers.weights, numbers.state)
                  .ok());
  EXPECT_EQ(read, std::vector{PieceKind::kImage});
  ExpectSameBits(run.after.at(newest), numbers);
}

// A part of an image after each call, the next one where the last one ended.
TEST(RestoreTest, WhatAWholeImageSupersedesIsNotNeeded) {
  for (uint32_t seed = 0; seed < kRuns / 2; ++seed) {
    SCOPED_TRACE(seed);
    const TrainedRun run = RandomRun(seed);
    PieceShelf shelf;
    shelf.PutImage(run, WholeAt(run, run.begin()));
    StepsWriter writer = run.WriterAfter(run.begin());
    const uint64_t part = (WeightsOf(run) + 2) / 3;
    uint64_t first = 0;
    uint64_t oldest = 0;  // the number of the first part's steps
    for (const TrainedCall& call : run.calls) {
      writer.Append(run.PartOf(call, false));
      shelf.PutSteps(writer);
      if (first == 0) oldest = shelf.pieces().rbegin()->first;
      const uint64_t count = std::min(part, WeightsOf(run) - first);
      shelf.PutImage(run, {call.step, first, count});
      first += count;
      if (first == WeightsOf(run)) {
        const size_t gone = std::erase_if(
            shelf.pieces(),
            [&](const auto& piece) { return piece.first <= oldest; });
        EXPECT_GT(gone, 0u);
        // Three parts at most, and the steps after the first.
        EXPECT_LE(shelf.pieces().size(), 3 + 2);
        first = 0;
      }
      const absl::StatusOr<Numbers> restored = Restored(run, shelf, call.step);
      ASSERT_TRUE(restored.ok()) << restored.status();
      ExpectSameBits(run.after.at(call.step), *restored);
    }
  }
}

}  // namespace
}  // namespace backprop::testing
