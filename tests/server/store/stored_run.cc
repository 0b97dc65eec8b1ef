// SPDX-License-Identifier: Apache-2.0
#include "tests/server/store/stored_run.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <span>
#include <utility>

#include "engine/training/trainer.h"
#include "server/store/restore.h"
#include "tests/engine/random_problem.h"

namespace backprop::testing {
namespace {

// FACTORED where steps could not bring back the state otherwise.
Problem RandomStoredProblem(uint32_t seed) {
  Range range;
  range.largest_batch = 1 + 2 * (seed / 2 % 2);
  range.steps = 150;
  range.any_optimiser = seed % 4 != 0;
  range.dropout = seed % 3 == 0;
  Problem problem = RandomProblem(seed, range);
  if (StepsRestore(problem.layout)) return problem;
  const Rule rule = problem.layout.rule();
  problem.layout = MakeLayout(problem.network, problem.layout.batch_size(),
                              DeltaForm::kFactored)
                       .WithRule(rule);
  return problem;
}

}  // namespace

StepsPart TrainedRun::PartOf(const TrainedCall& call, bool as_values) const {
  const Layout& layout = problem.layout;
  const size_t first = call.base - begin();
  const size_t steps = call.step - call.base;
  const auto rows = [&](std::span<const float> all, size_t row) {
    return all.subspan(first * row, steps * row);
  };
  const std::string_view values(
      reinterpret_cast<const char*>(problem.inputs.data()),
      problem.inputs.size() * sizeof(float));
  const size_t row =
      layout.batch_size() * layout.input_size() *
      (as_values ? sizeof(float) : ElementSize(format.element_type));
  return {rows(results.deltas, layout.delta_row_length()),
          rows(results.scalars, layout.scalar_count()),
          (as_values ? values : std::string_view(inputs))
              .substr(first * row, steps * row),
          as_values};
}

std::string TrainedRun::PieceOf(const ImageRange& range) const {
  const auto numbers = after.find(range.step);
  if (numbers == after.end()) {
    ADD_FAILURE() << "no call ended with step " << range.step;
    return {};
  }
  return ImagePiece(range, numbers->second.weights, numbers->second.state);
}

InputFormat RandomFormat(Random& random, ElementType type, size_t columns,
                         bool standardised) {
  InputFormat format;
  format.element_type = type;
  format.scale = type == ElementType::kUint8 ? 1 / 255.0F : 0.7F;
  if (standardised) {
    format.mean = random.Uniforms(columns, -0.5F, 0.5F);
    format.factor = random.Uniforms(columns, 0.5F, 1.5F);
  }
  return format;
}

std::string RandomInputs(Random& random, ElementType type, size_t elements) {
  std::string bytes;
  const size_t one_in = 1 + random.Below(8);  // is not zero
  for (size_t i = 0; i < elements; ++i) {
    const bool zero = random.Below(one_in) != 0 || random.Below(10) == 0;
    if (type == ElementType::kUint8) {
      bytes.push_back(zero ? '\0' : static_cast<char>(random.Below(256)));
      continue;
    }
    const float element = zero ? 0 : random.Uniform(-1, 1);
    bytes.append(reinterpret_cast<const char*>(&element), sizeof(element));
  }
  return bytes;
}

TrainedRun TrainOn(Problem problem, const InputFormat& format,
                   const Calls& calls, uint32_t seed) {
  Random random(seed);
  TrainedRun run{std::move(problem), format, {}, {}, {}, {}};
  run.inputs =
      RandomInputs(random, format.element_type, run.problem.inputs.size());
  EXPECT_TRUE(ConvertInputs(format, run.inputs, run.problem.inputs));
  run.after[run.begin()] = {run.problem.weights, run.problem.state};
  Trainer trainer;
  const auto train = [&](const Training& training, const TrainRun& steps) {
    const size_t applied = trainer.Train(training, steps);
    if (applied > 0) {
      const uint64_t base = training.first_step - 1;
      run.calls.push_back({base, base + applied});
      run.after[base + applied] = {{steps.weights.begin(), steps.weights.end()},
                                   {steps.state.begin(), steps.state.end()}};
    }
    return applied;
  };
  run.results = TrainBy(train, run.problem, calls);
  return run;
}

TrainedRun RandomRun(uint32_t seed) {
  Random random(seed);
  Problem problem = RandomStoredProblem(seed);
  const ElementType type =
      random.Below(2) == 0 ? ElementType::kUint8 : ElementType::kFloat32;
  const InputFormat format = RandomFormat(
      random, type, problem.layout.input_size(), random.Below(2) == 0);
  Calls calls;
  for (size_t i = 0; i < 16; ++i) calls.lengths.push_back(1 + random.Below(9));
  return TrainOn(std::move(problem), format, calls, seed);
}

void PieceShelf::Put(PieceKind kind, uint64_t base, uint64_t step,
                     uint64_t first, std::string bytes) {
  const PieceName name{next_, kind, base, step, first};
  pieces_[next_++] = {name, std::move(bytes)};
}

void PieceShelf::PutSteps(StepsWriter& writer) {
  const uint64_t base = writer.base_step();
  const uint64_t step = writer.step();
  Put(PieceKind::kSteps, base, step, 0, writer.Take());
}

void PieceShelf::PutImage(const TrainedRun& run, const ImageRange& range) {
  Put(PieceKind::kImage, 0, range.step, range.first, run.PieceOf(range));
}

StoredSession PieceShelf::At(uint64_t step) const {
  StoredSession stored;
  stored.head.step = step;
  for (const auto& [number, piece] : pieces_) {
    stored.pieces.push_back({piece.name, piece.bytes.size()});
  }
  return stored;
}

absl::StatusOr<std::string> PieceShelf::Read(uint64_t number) const {
  const auto found = pieces_.find(number);
  if (found == pieces_.end()) return absl::NotFoundError("no such piece");
  return found->second.bytes;
}

absl::StatusOr<Numbers> Restored(const TrainedRun& run, const PieceShelf& shelf,
                                 uint64_t step) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  Numbers numbers{std::vector<float>(run.problem.weights.size(), kNan),
                  std::vector<float>(run.problem.state.size(), kNan)};
  const absl::Status status = RestoreNumbers(
      shelf.At(step), run.problem.layout, run.format,
      [&](uint64_t number) { return shelf.Read(number); }, numbers.weights,
      numbers.state);
  if (!status.ok()) return status;
  return numbers;
}

void ExpectSameBits(const Numbers& expected, const Numbers& got) {
  EXPECT_EQ(Bits(expected.weights), Bits(got.weights));
  EXPECT_EQ(Bits(expected.state), Bits(got.state));
}

}  // namespace backprop::testing
