// SPDX-License-Identifier: Apache-2.0
//
// From a session's stored pieces back to its weights and optimiser state at
// head.step, bit for bit.
#ifndef BACKPROP_SERVER_STORE_RESTORE_H_
#define BACKPROP_SERVER_STORE_RESTORE_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/contract/input.h"
#include "engine/contract/layout.h"
#include "server/store/store.h"

namespace backprop {

// Store::ReadPiece of one session.
using PieceReader = std::function<absl::StatusOr<std::string>(uint64_t number)>;

// weights: (weight_count), state: (state_count, weight_count); what they hold
// before does not matter. layout, format: as for ApplySteps (session_steps.h).
//
// Pieces of images may be of different steps, and may overlap: of each weight
// the newest at or before head.step counts. From the oldest one needed on they
// are gone through in the order of steps, with the pieces of steps between;
// what is newer than head.step is not used.
// Holds one piece at a time. Where several pieces of images are needed, all but
// the oldest are read twice: once to see what they cover.
//
// DATA_LOSS: weights that no image has from which stored steps lead on to
// head.step, or a piece that doesn't say what its name says; in words for an
// operator. Other errors are the reader's. weights and state are then
// unspecified.
absl::Status RestoreNumbers(const StoredSession& stored, const Layout& layout,
                            const InputFormat& format, const PieceReader& read,
                            std::span<float> weights, std::span<float> state);

// Those of images and steps with numbers from first to last.
std::vector<StoredPiece> NumberPieces(std::span<const StoredPiece> pieces,
                                      uint64_t first, uint64_t last);

// The number of the spec that the session has: of all its pieces of specs the
// newest. 0: it has none.
uint64_t SpecPieceOf(const StoredSession& stored);

}  // namespace backprop

#endif  // BACKPROP_SERVER_STORE_RESTORE_H_
