// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/reference_replica.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <cmath>
#include <cstring>

#include "tests/twins/session_twin.h"

namespace backprop::testing {
namespace {

std::vector<float> Numbers(const std::string& bytes) {
  std::vector<float> numbers(bytes.size() / sizeof(float));
  if (numbers.empty()) return numbers;
  std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(float));
  return numbers;
}

// Element `at` of the message's inputs, before the format's scale.
float Element(const v1::TrainRequest& request, v1::ElementType type,
              size_t at) {
  if (type == v1::ELEMENT_TYPE_UINT8) {
    return static_cast<unsigned char>(request.inputs()[at]);
  }
  float element = 0;
  std::memcpy(&element, request.inputs().data() + at * 4, 4);
  return element;
}

}  // namespace

ReferenceReplica::ReferenceReplica(const v1::Session& session,
                                   const std::vector<float>& weights)
    : session_(session),
      twin_(TwinSessionOf(session)),
      weights_(weights),
      state_(session.layout().state_count() * weights.size()),
      last_delta_(weights.size()),
      step_(session.step()) {}

ReferenceReplica ReferenceReplica::WithState(
    const v1::Session& session, const std::vector<float>& numbers) {
  const auto end = numbers.begin() + session.layout().weight_count();
  ReferenceReplica replica(session, {numbers.begin(), end});
  EXPECT_EQ(numbers.end() - end, replica.state_.size());
  replica.state_.assign(end, numbers.end());
  return replica;
}

std::vector<float> ReferenceReplica::numbers() const {
  std::vector<float> numbers = weights_;
  numbers.insert(numbers.end(), state_.begin(), state_.end());
  return numbers;
}

void ReferenceReplica::Apply(const v1::TrainRequest& request,
                             const v1::TrainResponse& response) {
  ASSERT_EQ(response.base_step(), step_);
  const size_t row = session_.layout().delta_row_length();
  const size_t scalar_row = session_.layout().scalar_count();
  const size_t batch = session_.spec().batch_size();
  const size_t steps = response.step() - response.base_step();
  const std::vector<float> deltas = Numbers(response.deltas());
  const std::vector<float> scalars = Numbers(response.scalars());
  ASSERT_EQ(deltas.size(), steps * row);
  ASSERT_EQ(scalars.size(), steps * scalar_row);
  // A first layer that is DENSE needs no inputs, and watchers get none then.
  const bool needs_inputs = !twin_.layers.front().dense;
  for (size_t s = 0; s < steps; ++s) {
    const std::vector<float> x =
        needs_inputs
            ? Inputs(request, response.skipped_samples() + s * batch, batch)
            : std::vector<float>();
    last_delta_ = TakeStep(
        twin_,
        {.row = std::span(deltas).subspan(s * row, row),
         .x = x,
         .scalars = std::span(scalars).subspan(s * scalar_row, scalar_row),
         .number = step_ + s + 1},
        weights_, state_);
  }
  step_ = response.step();
}

uint64_t ReferenceReplica::digest() const {
  return XXH3_64bits(weights_.data(), weights_.size() * sizeof(float));
}

std::vector<float> ReferenceReplica::Inputs(const v1::TrainRequest& request,
                                            size_t first_sample,
                                            size_t count) const {
  const v1::InputFormat& format = session_.spec().input();
  const size_t length = session_.spec().input_size();
  std::vector<float> x(count * length);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = Fl(format.scale() * Element(request, format.element_type(),
                                       first_sample * length + i));
    if (format.standardisation().mean_size() != 0) {
      const int j = static_cast<int>(i % length);
      x[i] = Fl(Fl(x[i] - format.standardisation().mean(j)) *
                format.standardisation().factor(j));
    }
    if (std::fabs(x[i]) < 0x1p-60F) x[i] = 0;
  }
  return x;
}

}  // namespace backprop::testing
