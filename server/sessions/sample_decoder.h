// SPDX-License-Identifier: Apache-2.0
//
// From the bytes of samples on the wire to panels of floats. Everything is
// checked before anything is converted or applied.
#ifndef BACKPROP_SERVER_SESSIONS_SAMPLE_DECODER_H_
#define BACKPROP_SERVER_SESSIONS_SAMPLE_DECODER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/kernels/rows.h"
#include "server/sessions/session_spec.h"

namespace backprop {

// The sample fields of TrainRequest and EvaluateRequest; views of a message.
struct SampleBytes {
  std::string_view inputs;
  std::string_view targets;
  std::span<const uint32_t> classes;
  std::span<const float> weights;  // empty: all 1
};

// Number of input rows. Fails with INVALID_REQUEST naming `field` if bytes are
// no whole rows, none at all, or hold a number that is not finite once scaled
// and, if that is known already, standardised.
absl::StatusOr<size_t> CheckInputs(const SessionSpec& spec,
                                   std::string_view field,
                                   std::string_view bytes);

// Number of samples. Fails with INVALID_REQUEST.
absl::StatusOr<size_t> CheckSamples(const SessionSpec& spec,
                                    const SampleBytes& samples);

// Fails with INVALID_REQUEST naming `field` and the first number that is NaN or
// infinite.
absl::Status CheckFinite(std::string_view field, std::span<const float> values);

// Rows that one turn should take through the network, at least 1: bounds the
// turn's length and its thread's panels.
size_t RowsInTurn(const Layout& layout);

// Rows first … first + count − 1 of checked input bytes, standardised if that
// is known already. inputs: (count, input_size), with zeros from there to its
// stride.
void DecodeInputs(const SessionSpec& spec, std::string_view bytes, size_t first,
                  size_t count, MutableRows inputs);

// Rows first … first + count − 1 of checked samples' targets.
// targets: (count, output_size).
void DecodeTargets(const SessionSpec& spec, const SampleBytes& samples,
                   size_t first, size_t count, std::span<float> targets);

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_SAMPLE_DECODER_H_
