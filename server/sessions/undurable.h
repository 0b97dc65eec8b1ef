// SPDX-License-Identifier: Apache-2.0
//
// How much of what durable sessions have done the store has still to take, in
// bytes: the rows of their steps, the images that take the place of rows which
// became too long, and the changes that have been handed over and are not
// committed yet. While the store takes them that is little. When it fails, or
// does not answer, training goes on up to the limit, and then waits:
//
//   in a turn                                     the committer's thread
//     if (!session.MayTrain()) …wait…               undurable.BeginAttempt(n);
//     session.Train(…); session.Record(…);          … store.Commit(changes) …
//       // its Share grows                          undurable.EndAttempt(ok);
//
// A store that works never makes anybody wait, however much there is: what the
// committer gives it at once is bounded here too, and the rest comes after.
// Nobody is told that there is room again: who waits looks from time to time.
#ifndef BACKPROP_SERVER_SESSIONS_UNDURABLE_H_
#define BACKPROP_SERVER_SESSIONS_UNDURABLE_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>

namespace backprop {

// An attempt to commit that takes longer counts as one that fails.
struct StorePatience {
  std::chrono::milliseconds least = std::chrono::seconds(10);
  size_t bytes_a_second = size_t{16} << 20;  // the slowest disk there is
};

// Any thread, where nothing else is said.
class Undurable {
 public:
  using Clock = std::chrono::steady_clock;

  // What one holder has of it; given back when it is destroyed. Move-only, for
  // one thread at a time.
  class Share {
   public:
    Share() = default;  // of nothing, which stays 0
    Share(Share&& from) noexcept
        : of_(std::exchange(from.of_, nullptr)),
          bytes_(std::exchange(from.bytes_, 0)),
          handed_over_(from.handed_over_) {}
    Share& operator=(Share&& from) noexcept {
      std::swap(of_, from.of_);
      std::swap(bytes_, from.bytes_);
      std::swap(handed_over_, from.handed_over_);
      from.Set(0);
      return *this;
    }
    ~Share() { Set(0); }

    // Of what was not handed over yet: about so many, as all that train count
    // here after each part. 0 is exact.
    void Set(size_t bytes);

   private:
    friend class Undurable;
    Share(Undurable* of, bool handed_over)
        : of_(of), handed_over_(handed_over) {}

    Undurable* of_ = nullptr;
    size_t bytes_ = 0;
    bool handed_over_ = false;
  };

  explicit Undurable(size_t limit = std::numeric_limits<size_t>::max(),
                     StorePatience patience = {})
      : limit_(limit), patience_(patience) {}
  Undurable(const Undurable&) = delete;
  Undurable& operator=(const Undurable&) = delete;

  size_t bytes() const { return bytes_; }
  size_t handed_over() const { return handed_over_; }  // of these
  size_t limit() const { return limit_; }

  // The object must outlive its shares. One of what was not handed over yet,
  // and is 0.
  Share NewShare() { return {this, false}; }
  // One of what is to be handed over, about so much. Nothing where that is
  // beyond the limit together with what has been, and both are something.
  std::optional<Share> HandOver(size_t bytes);
  // The same of what the committer did not ask for, and a client waits for:
  // a store that works takes it in any case.
  std::optional<Share> HandOverUnasked(size_t bytes);

  // The committer's: around each attempt to commit so many bytes, of what is
  // written and what is removed.
  void BeginAttempt(size_t bytes);
  void EndAttempt(bool worked);

  // The limit is reached, and the store does not take what there is.
  bool IsFull() const { return bytes_ >= limit_ && Fails(); }

 private:
  // So as not to share what is read by all that train with what they change.
  static constexpr size_t kCacheLine = 64;
  // What is not handed over is counted within so many bytes of each session.
  static constexpr size_t kPage = 4096;

  bool Fails() const { return fails_ || Clock::now() > late_at_.load(); }
  Share Took(size_t bytes);

  // Constant after construction.
  const size_t limit_;
  const StorePatience patience_;
  const size_t step_ = std::min(kPage, limit_ / 64);

  std::atomic<bool> fails_ = false;  // the last attempt did
  // When the attempt under way has taken too long; max: none is.
  std::atomic<Clock::time_point> late_at_ = Clock::time_point::max();

  alignas(kCacheLine) std::atomic<size_t> bytes_ = 0;
  std::atomic<size_t> handed_over_ = 0;  // of these
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_UNDURABLE_H_
