// SPDX-License-Identifier: Apache-2.0
//
// What makes calls that change a session safe to repeat: the session remembers
// the last of them that had a name, and what they came to. Kept with the
// session in the store, so that they are known exactly as long as what they did
// is.
#ifndef BACKPROP_SERVER_SESSIONS_DONE_REQUESTS_H_
#define BACKPROP_SERVER_SESSIONS_DONE_REQUESTS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace backprop {

// The longest request_id, in bytes.
inline constexpr size_t kLongestRequestId = 128;

// What makes a repeated request the same request.
struct RequestKey {
  std::string request_id;    // empty: none
  uint64_t fingerprint = 0;  // of all else that the request asked for

  friend bool operator==(const RequestKey&, const RequestKey&) = default;
};

struct DoneRequest {
  RequestKey key;
  uint64_t result = 0;  // the step that it was answered

  friend bool operator==(const DoneRequest&, const DoneRequest&) = default;
};

class DoneRequests {
 public:
  static constexpr size_t kMost = 16;

  // What an earlier request with this key came to, if it is remembered. Fails
  // with REQUEST_ID_REUSED where that asked for something else.
  absl::StatusOr<std::optional<uint64_t>> Find(const RequestKey& key) const;

  // Has memory for the next Add, which can't fail then.
  void MakeRoom() { all_.reserve(kMost + 1); }
  // Nothing where the request has no name.
  void Add(DoneRequest done);

  const std::vector<DoneRequest>& all() const { return all_; }  // oldest first
  // Of all() the last, so many as have been added since there were `added`.
  std::vector<DoneRequest> Since(uint64_t added) const;
  uint64_t added() const { return added_; }

 private:
  std::vector<DoneRequest> all_;
  uint64_t added_ = 0;  // to this object
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_DONE_REQUESTS_H_
