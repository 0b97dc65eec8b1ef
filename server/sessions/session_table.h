// SPDX-License-Identifier: Apache-2.0
//
// All sessions of the process, by id, within the operator's limits.
#ifndef BACKPROP_SERVER_SESSIONS_SESSION_TABLE_H_
#define BACKPROP_SERVER_SESSIONS_SESSION_TABLE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/mutex.h"
#include "server/sessions/budget.h"
#include "server/sessions/session.h"
#include "server/sessions/session_codec.h"

namespace backprop {

struct SessionLimits {
  size_t sessions = 0;
  size_t total_weights = 0;  // numbers, see NumbersHeld
};

// Whether the text has the form of a session's id.
bool IsSessionId(std::string_view text);

// All methods may be called from any thread.
class SessionTable {
 public:
  using NewFeed = std::function<std::shared_ptr<DeltaFeed>()>;
  using NewDurable = std::function<Durable(const SessionSpec&, const Layout&)>;

  // new_feed: makes each session's feed. new_durable: what makes new sessions
  // durable that are to be; empty where there is no store.
  SessionTable(SessionLimits limits, NewFeed new_feed,
               NewDurable new_durable = nullptr)
      : limits_(limits),
        new_feed_(std::move(new_feed)),
        new_durable_(std::move(new_durable)),
        places_(limits.sessions),
        numbers_(limits.total_weights) {}

  struct Created {
    std::shared_ptr<Session> session;
    bool is_new = false;  // false: made by an earlier request with this key
  };

  // How a session comes to be.
  struct Plan {
    SessionSpec spec;
    Layout layout;  // of that spec
    RequestKey request = {};
    std::string forked_from = {};  // empty: none
  };

  // Reserves room, makes a session, lets fill set its weights (without holding
  // a lock), and adds it. Fails with NO_STORE, SESSION_LIMIT or
  // REQUEST_ID_REUSED. The room is taken until nobody holds the session any
  // more. What the spec leaves to the server of durability is decided here.
  absl::StatusOr<Created> Create(const Plan& plan,
                                 const std::function<void(Session&)>& fill);

  // Likewise one that was before, under its own id: fill restores it. Its queue
  // has not been told of it.
  absl::StatusOr<std::shared_ptr<Session>> BringBack(
      const SessionRecord& record, Durable durable,
      const std::function<absl::Status(Session&)>& fill);

  // Likewise one that is not added: nobody finds it here.
  absl::StatusOr<std::shared_ptr<Session>> MakeApart(
      const SessionRecord& record,
      const std::function<absl::Status(Session&)>& fill);

  // The session that an earlier request with this key made; null if none.
  // Fails with REQUEST_ID_REUSED.
  absl::StatusOr<std::shared_ptr<Session>> FindMade(
      const RequestKey& key) const;

  // Fails with SESSION_NOT_FOUND.
  absl::StatusOr<std::shared_ptr<Session>> Find(const std::string& id) const;

  // At most count sessions whose ids come after `after`, in order of ids.
  std::vector<std::shared_ptr<Session>> List(const std::string& after,
                                             size_t count) const;

  // Has checkpoints committed away that have expired.
  void ForgetExpiredCheckpoints(Checkpoint::Time now) const;

  // Frees what feeds hold for nobody.
  void ForgetOldDeltas(DeltaFeed::Clock::time_point now) const;

  // Fails with SESSION_NOT_FOUND or SESSION_BUSY. Returns what was removed.
  absl::StatusOr<std::shared_ptr<Session>> Delete(const std::string& id);

 private:
  struct Entry {
    std::shared_ptr<Session> session;
    Budget::Reservation place;
  };

  absl::StatusOr<Budget::Reservation> ReservePlace();
  absl::StatusOr<std::shared_ptr<Session>> MakeInRoom(SessionBirth birth,
                                                      const SessionSpec& spec,
                                                      const Layout& layout,
                                                      Durable durable);
  // Decides what the spec leaves open. Fails with NO_STORE.
  absl::StatusOr<Durable> DurableOf(SessionSpec& spec,
                                    const Layout& layout) const;
  absl::StatusOr<Created> Add(const std::shared_ptr<Session>& session,
                              Budget::Reservation place);
  absl::StatusOr<std::shared_ptr<Session>> FindByRequest(
      const RequestKey& key) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const SessionLimits limits_;
  const NewFeed new_feed_;
  const NewDurable new_durable_;
  Budget places_;   // of sessions in the table, or about to be in it
  Budget numbers_;  // of all sessions together, whoever holds them

  mutable Mutex mutex_;
  std::map<std::string, Entry> sessions_ ABSL_GUARDED_BY(mutex_);  // by id
  std::unordered_map<std::string, std::string> id_of_request_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_SESSION_TABLE_H_
