// SPDX-License-Identifier: Apache-2.0
#include "server/store/change_rules.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace backprop {
namespace {

constexpr uint64_t kLargest = std::numeric_limits<int64_t>::max();

absl::Status Refused(const SessionChange& change, const std::string& why) {
  return absl::InvalidArgumentError(
      absl::StrCat("a change of session \"", change.head.id,
                   "\" can't be committed: ", why));
}

bool TooLarge(const PieceName& name) {
  return name.number > kLargest || name.base_step > kLargest ||
         name.step > kLargest || name.first_number > kLargest;
}

absl::Status CheckPieces(const SessionChange& change) {
  std::set<uint64_t> named;
  for (const Piece& piece : change.put) {
    if (TooLarge(piece.name)) {
      return Refused(change, "a piece's number or step is 2^63 or more");
    }
    if (!named.insert(piece.name.number).second) {
      return Refused(
          change, absl::StrCat("it puts piece ", piece.name.number, " twice"));
    }
  }
  for (const uint64_t number : change.remove) {
    if (!named.insert(number).second) {
      return Refused(change, absl::StrCat("it removes piece ", number,
                                          " twice, or puts it too"));
    }
  }
  return absl::OkStatus();
}

bool TakesOneOf(const PieceRange& range, const SessionChange& change) {
  const auto is_within = [&](uint64_t number) {
    return range.first <= number && number <= range.last;
  };
  return std::ranges::any_of(change.remove, is_within) ||
         std::ranges::any_of(change.put, [&](const Piece& piece) {
           return range.Has(piece.name);
         });
}

absl::Status CheckRanges(const SessionChange& change) {
  std::vector<PieceRange> ranges = change.remove_ranges;
  std::ranges::sort(ranges, {}, &PieceRange::first);
  for (size_t i = 0; i < ranges.size(); ++i) {
    const auto& [first, last, blocks_alone] = ranges[i];
    if (first > last || last > kLargest) {
      return Refused(change, absl::StrCat("it removes pieces ", first, " to ",
                                          last, ", which is no range"));
    }
    if ((i > 0 && first <= ranges[i - 1].last) ||
        TakesOneOf(ranges[i], change)) {
      return Refused(
          change, absl::StrCat("it removes one of the pieces ", first, " to ",
                               last, " twice, or puts it too"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckChange(const SessionChange& change) {
  const SessionHead& head = change.head;
  if (head.id.empty()) return Refused(change, "it names no session");
  if (head.epoch > kLargest || head.step > kLargest) {
    return Refused(change, "its epoch or step is 2^63 or more");
  }
  const bool creates = change.expected_epoch == 0;
  if (change.erase) {
    return creates && !change.damaged
               ? Refused(change, "it erases what it says is not there")
               : absl::OkStatus();
  }
  if (head.epoch == 0 || head.epoch < change.expected_epoch) {
    return Refused(change,
                   absl::StrCat("epoch ", head.epoch, " does not follow epoch ",
                                change.expected_epoch));
  }
  if (creates && !(change.remove.empty() && change.remove_ranges.empty())) {
    return Refused(change, "it removes pieces of a session that is new");
  }
  absl::Status status = CheckPieces(change);
  return status.ok() ? CheckRanges(change) : status;
}

}  // namespace

absl::Status CheckChanges(std::span<const SessionChange> changes) {
  for (const SessionChange& change : changes) {
    if (absl::Status s = CheckChange(change); !s.ok()) return s;
  }
  return absl::OkStatus();
}

}  // namespace backprop
