// SPDX-License-Identifier: Apache-2.0
//
// A Train stream as the session that it trains knows it: the one writer, until
// another takes its place.
//
// Whoever takes the place over says so here, under the session's lock. From
// then on the writer before it begins nothing more: it looks before each part
// that it trains, in turns of the session's lane. So nothing of it is applied
// after the first turn of the one that has its place now, however late it hears
// of that.
#ifndef BACKPROP_SERVER_SESSIONS_WRITER_H_
#define BACKPROP_SERVER_SESSIONS_WRITER_H_

#include <atomic>

namespace backprop {

class Writer {
 public:
  virtual ~Writer() = default;

  // Another has its place. Any thread.
  bool is_replaced() const { return replaced_; }

  // It may be waiting for its client, who may be gone: is_replaced() has
  // changed. Once at most, from any thread, with no lock held.
  virtual void HearOfReplacement() = 0;

  // More of the session is durable than before, or nothing will be any more
  // (Session::loss). From the committer's thread, with no lock held; the
  // committer is not to be held up.
  virtual void HearOfDurable() = 0;

 private:
  friend class Session;

  std::atomic<bool> replaced_ = false;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_WRITER_H_
