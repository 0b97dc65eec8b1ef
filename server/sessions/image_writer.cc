// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/image_writer.h"

#include <algorithm>

#include "server/store/failpoint.h"
#include "server/store/session_image.h"

namespace backprop {
namespace {

// Of one image piece: some milliseconds of a disk.
constexpr size_t kPartBytes = size_t{4} << 20;
// An image up to this is handed over whole: copying it takes a millisecond or
// two.
constexpr size_t kWholeBytes = size_t{8} << 20;
// With history, rows that may follow on an image: each costs a place, and time
// when rows are read instead.
constexpr size_t kImagesOfRows = 4;
constexpr size_t kLeastRowBytes = size_t{64} << 10;
// Of the bytes that history may have, what is between two images, as they go
// together.
constexpr size_t kGroups = 8;

}  // namespace

size_t ImageBytes(const Layout& layout) {
  return (1 + layout.state_count()) * layout.weight_count() * sizeof(float);
}

bool ImageWriter::IsLarge() const { return ImageBytes(layout_) > kWholeBytes; }

size_t ImageWriter::PartWeights() const {
  return kPartBytes / sizeof(float) / (1 + layout_.state_count());
}

size_t ImageWriter::MostStepsBytes(const HistoryLimits& limits) const {
  const size_t image = ImageBytes(layout_);
  if (!limits.any()) return image;
  const size_t most = std::max(kImagesOfRows * image, kLeastRowBytes);
  if (limits.max_bytes == 0) return most;
  return std::clamp<size_t>(limits.max_bytes / kGroups, image, most);
}

size_t ImageWriter::BytesDue(size_t steps_bytes,
                             const HistoryLimits& spec_limits) const {
  const HistoryLimits limits = history_.Limits(spec_limits);
  const bool is_under_way = stored_.next_weight > 0;
  if (!is_under_way && steps_bytes <= MostStepsBytes(limits)) return 0;
  return IsLarge() ? kPartBytes : ImageBytes(layout_);
}

void ImageWriter::PutDue(const JournalMoment& moment, SessionChange& change) {
  if (BytesDue(pieces_.StepsBytes(), moment.spec->history) == 0) return;
  if (IsLarge()) {
    PutPart(moment, change);
  } else {
    Put(moment, change);
  }
}

void ImageWriter::Put(const JournalMoment& moment, SessionChange& change) {
  history_.BeginPresent(pieces_.next(), moment.step(), moment.now);
  const size_t size = layout_.weight_count();
  for (size_t first = 0; first < size; first += PartWeights()) {
    PutWeights(moment, first, std::min(PartWeights(), size - first), change);
  }
  stored_.is_there = true;
  stored_.next_weight = 0;
  MayDieAt(Failpoint::kImagePut);
}

void ImageWriter::PutPart(const JournalMoment& moment, SessionChange& change) {
  if (stored_.next_weight == 0) {
    stored_.part_step = moment.step();
    stored_.part_piece = pieces_.next();
  }
  const size_t size = layout_.weight_count();
  const size_t count = std::min(PartWeights(), size - stored_.next_weight);
  PutWeights(moment, stored_.next_weight, count, change);
  stored_.next_weight += count;
  MayDieAt(Failpoint::kImagePartPut);
  if (stored_.next_weight < size) return;
  stored_.next_weight = 0;
  history_.BeginPresent(stored_.part_piece, moment.step(), moment.now);
  MayDieAt(Failpoint::kImageEnded);
}

void ImageWriter::PutWeights(const JournalMoment& moment, size_t first,
                             size_t count, SessionChange& change) {
  const uint64_t step = moment.step();
  pieces_.Put({.kind = PieceKind::kImage, .step = step, .first_number = first},
              ImagePiece({.step = step, .first = first, .count = count},
                         moment.weights, moment.state),
              change);
}

}  // namespace backprop
