// SPDX-License-Identifier: Apache-2.0
//
// A session as a safetensors file: its weights as tensors that fit PyTorch's
// nn.Linear, and beside them, if wanted, its optimiser's state.
//
//   layers.0.weight                       [outputs, inputs], as in Layout
//   layers.0.bias                         [outputs]
//   layers.1.weight …
//   optimiser.exp_avg.layers.0.weight …   each state vector likewise
//
// State vectors have the names that PyTorch's optimisers give them. Everything
// else that a session is stands in the metadata, under the keys below, as texts
// that are somebody else's.
//
// Other tools' files need no metadata; ours have a checksum over all that
// stands in them, header and numbers, so that no bit of them changes unnoticed.
#ifndef BACKPROP_ENGINE_INTERCHANGE_SESSION_TENSORS_H_
#define BACKPROP_ENGINE_INTERCHANGE_SESSION_TENSORS_H_

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/contract/layout.h"
#include "engine/interchange/safetensors.h"

namespace backprop {

// Keys of the metadata. The first three are set here; kSpecKey and kAnchorKey
// hold JSON of the protocol's SessionSpec and Anchor, without weights and
// state.
inline constexpr char kFormatKey[] = "format";       // "pt": PyTorch's axes
inline constexpr char kFormKey[] = "backprop.form";  // of what we add: "1"
inline constexpr char kChecksumKey[] = "backprop.checksum";
inline constexpr char kSpecKey[] = "backprop.spec";
inline constexpr char kAnchorKey[] = "backprop.anchor";
// For readers, nobody takes them back: step and digest of the weights.
inline constexpr char kStepKey[] = "backprop.step";
inline constexpr char kDigestKey[] = "backprop.digest";

struct SessionNumbers {
  std::span<const float> weights;  // (weight_count)
  std::span<const float> state;    // (state_count, weight_count), or empty
};

// The file. metadata: without those that are set here.
std::string SessionTensorBytes(const Layout& layout,
                               const SessionNumbers& numbers,
                               std::map<std::string, std::string> metadata);

// A file of ours, or one that another tool wrote. Fails as ParseSafetensors,
// and with DATA_LOSS where the checksum is another or lacks.
absl::StatusOr<TensorFile> ParseSessionTensors(std::string_view bytes);

// What the protocol's Anchor holds: little-endian float32, in the layout's
// order.
struct NumberBytes {
  std::string weights;
  std::string state;  // empty: the file has none
};

// The numbers of a session of this layout. The file must hold exactly its
// tensors, of its shapes, with finite numbers; else fails with
// INVALID_ARGUMENT, naming the tensor and both shapes, or the number's
// position.
absl::StatusOr<NumberBytes> NumbersIn(const TensorFile& file,
                                      const Layout& layout);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_INTERCHANGE_SESSION_TENSORS_H_
