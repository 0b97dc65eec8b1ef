// SPDX-License-Identifier: Apache-2.0
#include "server/store/session_image.h"

#include "absl/strings/str_cat.h"
#include "server/store/piece_bytes.h"
#include "server/store/zero_packing.h"

namespace backprop {
namespace {

constexpr uint8_t kImageForm = 1;

absl::Status BadImage(const std::string& what) {
  return absl::DataLossError(absl::StrCat("stored image: ", what));
}

// Takes the head off the front of *rest and checks it.
absl::StatusOr<ImageRange> TakeImageHead(std::string_view* rest,
                                         size_t weight_count,
                                         size_t state_count) {
  uint8_t form = 0;
  ImageRange range;
  uint64_t weights = 0;
  uint64_t vectors = 0;
  if (!TakeNumber(rest, &form) || form != kImageForm ||
      !TakeNumber(rest, &range.step) || !TakeNumber(rest, &range.first) ||
      !TakeNumber(rest, &range.count) || !TakeNumber(rest, &weights) ||
      !TakeNumber(rest, &vectors)) {
    return BadImage("the head is torn or of a form that is not known");
  }
  if (weights != weight_count || vectors != state_count) {
    return BadImage("it is of another network");
  }
  if (range.first > weights || range.count > weights - range.first) {
    return BadImage(absl::StrCat("its ", range.count, " weights from ",
                                 range.first, " on are beyond the network's ",
                                 weights));
  }
  return range;
}

// Of the weights and of each vector of state, the part that lies in the range.
template <class T, class F>
void ForParts(const ImageRange& range, std::span<T> weights, std::span<T> state,
              F f) {
  f(weights.subspan(range.first, range.count));
  for (size_t begin = 0; begin < state.size(); begin += weights.size()) {
    f(state.subspan(begin + range.first, range.count));
  }
}

}  // namespace

std::string ImagePiece(const ImageRange& range, std::span<const float> weights,
                       std::span<const float> state) {
  std::string piece;
  AppendNumber(kImageForm, &piece);
  for (const uint64_t number :
       {range.step, range.first, range.count, uint64_t{weights.size()},
        uint64_t{state.size() / weights.size()}}) {
    AppendNumber(number, &piece);
  }
  ForParts(range, weights, state,
           [&](std::span<const float> part) { PackZeros(part, &piece); });
  return piece;
}

absl::StatusOr<ImageRange> RangeOfImage(std::string_view piece,
                                        size_t weight_count,
                                        size_t state_count) {
  absl::StatusOr<ImageRange> range =
      TakeImageHead(&piece, weight_count, state_count);
  if (!range.ok()) return range;
  for (size_t part = 0; part <= state_count; ++part) {
    if (!SkipZeros(&piece, sizeof(float), range->count * sizeof(float))) {
      return BadImage("it is torn");
    }
  }
  if (!piece.empty()) return BadImage("more follows on it");
  return range;
}

absl::Status CopyImage(std::string_view piece, std::span<float> weights,
                       std::span<float> state) {
  const size_t vectors = state.size() / weights.size();
  const absl::StatusOr<ImageRange> range =
      RangeOfImage(piece, weights.size(), vectors);
  if (!range.ok()) return range.status();
  bool whole = TakeImageHead(&piece, weights.size(), vectors).ok();
  ForParts(*range, weights, state, [&](std::span<float> part) {
    whole = whole && UnpackZeros(&piece, part);
  });
  return whole ? absl::OkStatus() : BadImage("it is torn");
}

}  // namespace backprop
