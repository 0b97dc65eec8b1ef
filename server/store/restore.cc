// SPDX-License-Identifier: Apache-2.0
#include "server/store/restore.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/store/session_image.h"
#include "server/store/session_steps.h"

namespace backprop {
namespace {

// The weights that no piece has brought yet.
class MissingWeights {
 public:
  explicit MissingWeights(uint64_t count) : gaps_{{0, count}} {}

  bool empty() const { return gaps_.empty(); }
  uint64_t first() const { return gaps_.front().begin; }

  // first … first + count − 1 are there. False: they all were.
  bool Bring(uint64_t first, uint64_t count) {
    const uint64_t end = first + count;
    std::vector<Gap> left;
    bool news = false;
    for (const Gap& gap : gaps_) {
      const Gap before{gap.begin, std::min(gap.end, first)};
      const Gap behind{std::max(gap.begin, end), gap.end};
      if (before.begin < before.end) left.push_back(before);
      if (behind.begin < behind.end) left.push_back(behind);
      news = news || (gap.begin < end && first < gap.end && count > 0);
    }
    if (news) gaps_ = std::move(left);
    return news;
  }

 private:
  struct Gap {
    uint64_t begin;
    uint64_t end;
  };
  std::vector<Gap> gaps_;  // none is empty; in order
};

std::vector<PieceName> NamesOf(const StoredSession& stored, PieceKind kind) {
  std::vector<PieceName> names;
  for (const StoredPiece& piece : stored.pieces) {
    if (piece.name.kind == kind) names.push_back(piece.name);
  }
  return names;
}

// The first step from which stored steps lead on to `step`.
uint64_t BeginOfSteps(std::vector<PieceName> steps, uint64_t step) {
  std::ranges::sort(steps, std::greater(), &PieceName::step);
  uint64_t begin = step;
  for (const PieceName& piece : steps) {
    if (piece.step < begin) break;
    begin = std::min(begin, piece.base_step);
  }
  return begin;
}

absl::Status OfPiece(const PieceName& name, const absl::Status& status) {
  const absl::StatusCode code =
      absl::IsNotFound(status) ? absl::StatusCode::kDataLoss : status.code();
  return {code, absl::StrCat("piece ", name.number, ": ", status.message())};
}

class Restoration {
 public:
  Restoration(const StoredSession& stored, const Layout& layout,
              const InputFormat& format, const PieceReader& read,
              std::span<float> weights, std::span<float> state)
      : head_step_(stored.head.step),
        layout_(layout),
        format_(format),
        read_(read),
        weights_(weights),
        state_(state),
        images_(NamesOf(stored, PieceKind::kImage)),
        steps_(NamesOf(stored, PieceKind::kSteps)) {}

  absl::Status Run() {
    absl::Status status = ChooseImages();
    if (!status.ok()) return status;
    // What is not there yet is moved by steps like the rest.
    std::ranges::fill(weights_, 0.0F);
    std::ranges::fill(state_, 0.0F);
    std::ranges::sort(steps_, {}, &PieceName::base_step);
    at_ = images_.front().step;
    for (const PieceName& image : images_) {
      status = GoOnTo(image.step);
      if (status.ok()) status = Copy(image);
      if (!status.ok()) return status;
    }
    return GoOnTo(head_step_);
  }

 private:
  // Leaves in images_ those that are needed, the oldest first, whose bytes are
  // kept.
  absl::Status ChooseImages() {
    const uint64_t begin =
        StepsRestore(layout_) ? BeginOfSteps(steps_, head_step_) : head_step_;
    std::erase_if(images_, [&](const PieceName& image) {
      return image.step < begin || image.step > head_step_;
    });
    std::ranges::sort(images_, std::greater(), [](const PieceName& image) {
      return std::pair(image.step, image.number);
    });
    MissingWeights missing(weights_.size());
    std::vector<PieceName> needed;
    for (const PieceName& image : images_) {
      if (missing.empty()) break;
      kept_.reset();
      absl::StatusOr<std::string> piece = Read(image);
      if (!piece.ok()) return piece.status();
      const absl::StatusOr<ImageRange> range = RangeOf(image, *piece);
      if (!range.ok()) return OfPiece(image, range.status());
      if (!missing.Bring(range->first, range->count)) continue;
      needed.push_back(image);
      kept_ = *std::move(piece);
    }
    if (!missing.empty()) return NotThere(missing.first(), begin);
    std::ranges::reverse(needed);
    images_ = std::move(needed);
    return absl::OkStatus();
  }

  absl::Status NotThere(uint64_t weight, uint64_t begin) const {
    return absl::DataLossError(
        absl::StrCat("no stored image of steps ", begin, " to ", head_step_,
                     " has weight ", weight, " of the session's ",
                     weights_.size(), ", and stored steps lead to step ",
                     head_step_, " from step ", begin, " on only"));
  }

  absl::StatusOr<ImageRange> RangeOf(const PieceName& name,
                                     std::string_view piece) const {
    absl::StatusOr<ImageRange> range =
        RangeOfImage(piece, weights_.size(), layout_.state_count());
    if (!range.ok()) return range;
    if (range->step != name.step || range->first != name.first_number) {
      return absl::DataLossError(absl::StrCat(
          "it is listed as an image of step ", name.step, " from weight ",
          name.first_number, " on, but says that it is of step ", range->step,
          " from weight ", range->first, " on"));
    }
    return range;
  }

  absl::StatusOr<std::string> Read(const PieceName& name) const {
    absl::StatusOr<std::string> piece = read_(name.number);
    if (!piece.ok()) return OfPiece(name, piece.status());
    return piece;
  }

  absl::Status Copy(const PieceName& image) {
    const absl::StatusOr<std::string> piece =
        kept_.has_value() ? *std::exchange(kept_, std::nullopt) : Read(image);
    if (!piece.ok()) return piece.status();
    const absl::Status status = CopyImage(*piece, weights_, state_);
    return status.ok() ? status : OfPiece(image, status);
  }

  // Applies the steps up to that one.
  absl::Status GoOnTo(uint64_t step) {
    while (at_ < step) {
      const PieceName* const next = FurthestFrom(at_);
      if (next == nullptr) {
        return absl::DataLossError(
            absl::StrCat("step ", at_ + 1, " is in no stored piece"));
      }
      const absl::StatusOr<std::string> piece = Read(*next);
      if (!piece.ok()) return piece.status();
      const absl::StatusOr<uint64_t> reached =
          ApplySteps(*piece, layout_, format_, at_, step, weights_, state_);
      if (!reached.ok()) return OfPiece(*next, reached.status());
      if (*reached != std::min(step, next->step)) {
        return OfPiece(*next, absl::DataLossError(absl::StrCat(
                                  "it is listed as steps up to ", next->step,
                                  ", but ends with step ", *reached)));
      }
      at_ = *reached;
    }
    return absl::OkStatus();
  }

  // The piece with step + 1 that goes furthest; null: none has it.
  const PieceName* FurthestFrom(uint64_t step) {
    for (; next_ < steps_.size() && steps_[next_].base_step <= step; ++next_) {
      if (furthest_ == nullptr || steps_[next_].step > furthest_->step) {
        furthest_ = &steps_[next_];
      }
    }
    return furthest_ != nullptr && furthest_->step > step ? furthest_ : nullptr;
  }

  const uint64_t head_step_;
  const Layout& layout_;
  const InputFormat& format_;
  const PieceReader& read_;
  const std::span<float> weights_;
  const std::span<float> state_;

  std::vector<PieceName> images_;
  std::vector<PieceName> steps_;
  std::optional<std::string> kept_;  // the first of images_, until it is used

  uint64_t at_ = 0;  // the step that weights_ and state_ are of
  size_t next_ = 0;  // of steps_, in order of their base_step: those before it
                     // have been looked at
  const PieceName* furthest_ = nullptr;  // of those; null: there are none
};

}  // namespace

absl::Status RestoreNumbers(const StoredSession& stored, const Layout& layout,
                            const InputFormat& format, const PieceReader& read,
                            std::span<float> weights, std::span<float> state) {
  return Restoration(stored, layout, format, read, weights, state).Run();
}

std::vector<StoredPiece> NumberPieces(std::span<const StoredPiece> pieces,
                                      uint64_t first, uint64_t last) {
  std::vector<StoredPiece> found;
  for (const StoredPiece& piece : pieces) {
    const auto& [number, kind, base_step, step, first_number] = piece.name;
    const bool fits = kind == PieceKind::kImage || kind == PieceKind::kSteps;
    if (fits && number >= first && number <= last) found.push_back(piece);
  }
  return found;
}

uint64_t SpecPieceOf(const StoredSession& stored) {
  uint64_t newest = 0;
  for (const StoredPiece& piece : stored.pieces) {
    if (piece.name.kind == PieceKind::kSpec) {
      newest = std::max(newest, piece.name.number);
    }
  }
  return newest;
}

}  // namespace backprop
