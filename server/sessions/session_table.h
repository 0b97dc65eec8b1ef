// SPDX-License-Identifier: Apache-2.0
//
// All sessions, by id: those in memory, within the operator's limits, and those
// that are in the store alone.
//
// Whoever has got a session from here keeps it in memory for as long as they
// hold it. One that nobody holds, nobody follows and of which all is durable is
// idle: the table lets go of it where it has been idle for long, or where
// another needs its room, the one that was used longest ago first. It is then
// in the store alone, until it is brought back.
#ifndef BACKPROP_SERVER_SESSIONS_SESSION_TABLE_H_
#define BACKPROP_SERVER_SESSIONS_SESSION_TABLE_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/sessions/budget.h"
#include "server/sessions/session.h"
#include "server/sessions/session_codec.h"
#include "server/threads/mutex.h"

namespace backprop {

struct SessionLimits {
  size_t sessions = 0;       // in memory
  size_t total_weights = 0;  // numbers, see RoomOf
};

// Whether the text has the form of a session's id.
bool IsSessionId(std::string_view text);

// All methods may be called from any thread.
class SessionTable {
  struct Entry;

 public:
  using NewFeed = std::function<std::shared_ptr<DeltaFeed>()>;
  using NewDurable = std::function<Durable(const SessionSpec&, const Layout&)>;
  using Time = std::chrono::system_clock::time_point;

  // new_feed: makes each session's feed. new_durable: what makes new sessions
  // durable that are to be; empty where there is no store. evicted: told of
  // each session that leaves memory for the store.
  SessionTable(SessionLimits limits, NewFeed new_feed,
               NewDurable new_durable = nullptr,
               std::function<void(const Session&)> evicted = nullptr)
      : limits_(limits),
        new_feed_(std::move(new_feed)),
        new_durable_(std::move(new_durable)),
        evicted_(std::move(evicted)),
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

  // A session that is in the store alone. Before others use the table.
  void AddStored(const std::string& id, const RequestKey& request,
                 Time last_use = {},
                 std::chrono::nanoseconds expire_after = {});

  // One on its way from the store into memory.
  struct Returned {
    std::shared_ptr<Session> session;
    Budget::Reservation place;
    std::list<Entry*> by_use = std::list<Entry*>(1);  // its place there
  };
  // Makes room as Create does, and the session under its own id: fill restores
  // it. Nobody sees it before Show; its queue has not been told of it.
  absl::StatusOr<Returned> BringBack(
      const SessionRecord& record, Durable durable,
      const std::function<absl::Status(Session&)>& fill);
  // It is in memory from here on, which needs none. REQUIRES: it was in the
  // store alone. is_used: else it is the first to leave again.
  void Show(Returned returned, bool is_used = true);

  // Likewise one that is not added: nobody finds it here.
  absl::StatusOr<std::shared_ptr<Session>> MakeApart(
      const SessionRecord& record,
      const std::function<absl::Status(Session&)>& fill);

  // The session that an earlier request with this key made; null if none.
  // Fails with REQUEST_ID_REUSED, or as Find.
  absl::StatusOr<std::shared_ptr<Session>> FindMade(
      const RequestKey& key) const;
  // Its id, whatever else that request asked for; empty if none.
  std::string IdMadeBy(const std::string& request_id) const;

  // Fails with SESSION_NOT_FOUND; where the session is in the store alone, with
  // STORE_FAILED: it may come back.
  absl::StatusOr<std::shared_ptr<Session>> Find(const std::string& id) const;

  struct Listed {
    std::string id;
    std::shared_ptr<Session> session;  // null: in the store alone
    Time last_use;
  };
  // The session if it is in memory; nothing if there is none.
  std::optional<Listed> Look(const std::string& id) const;
  // At most count sessions whose ids come after `after`, in order of ids.
  std::vector<Listed> List(const std::string& after, size_t count) const;

  // Has checkpoints committed away that have expired, of those in memory.
  void ForgetExpiredCheckpoints(Checkpoint::Time now) const;

  // Those in the store alone whose checkpoints are to be looked at by then:
  // some may have expired. When they are to be is known of those that have been
  // in memory; the others are looked at once.
  std::vector<std::string> ListToLookAt(Time now, size_t most) const;
  // Of one in the store alone: when they are, next time.
  void LookAgain(const std::string& id, Time then);

  // Frees what feeds hold for nobody.
  void ForgetOldDeltas(DeltaFeed::Clock::time_point now) const;
  // Those that hold answers for nobody (Session::HoldsInVain).
  std::vector<std::shared_ptr<Session>> HoldingInVain(Time now) const;

  // Sees who is in use. What follows counts from the last of these calls at
  // which a session was, or from when it was last asked for here. Those in the
  // store are told before what they know of it is too old (HeadRecord).
  void SeeUse(Time now);
  // Lets go of those that have been idle for so long.
  void EvictIdle(Time now, std::chrono::seconds idle_for);
  // Removes those in memory that have been idle for as long as their spec says,
  // and returns them.
  std::vector<std::shared_ptr<Session>> DeleteExpired(Time now);
  // Those of which that is true in the store.
  std::vector<std::string> ListExpired(Time now, size_t most) const;
  // Whether it is, of one.
  bool IsExpired(const std::string& id, Time now) const;

  // Fails with SESSION_NOT_FOUND or SESSION_BUSY, or as Find. Returns what was
  // removed.
  absl::StatusOr<std::shared_ptr<Session>> Delete(const std::string& id);
  // Of one in the store alone. Fails with SESSION_NOT_FOUND.
  absl::Status DeleteStored(const std::string& id);

 private:
  struct Entry {
    RequestKey request;
    std::shared_ptr<Session> session;  // null: in the store alone
    // Of one in the store alone.
    Time last_use = {};
    std::chrono::nanoseconds expire_after{0};
    Time look_at = {};  // ListToLookAt
    // The rest is of one in memory.
    Time told = {};  // the store, that it is in use
    Budget::Reservation place = {};
    std::list<Entry*>::iterator by_use = {};
  };

  absl::StatusOr<Budget::Reservation> ReservePlace();
  // Of numbers_.
  std::optional<Budget::Reservation> ReserveNumbers(size_t numbers);
  // Lets go of the idle session that was used longest ago. False: there is
  // none.
  bool EvictOldest();
  std::shared_ptr<Session> TakeOldestIdle();
  // The session, which the caller lets go of without holding the lock.
  std::shared_ptr<Session> PutAway(Entry& entry)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PutInMemory(Entry& entry, Returned returned)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static Listed ListedOf(const std::pair<const std::string, Entry>& of);
  // Of one in the store alone.
  static bool IsExpired(const Entry& entry, Time now);
  void Erase(std::map<std::string, Entry>::iterator entry)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What is in it, used now.
  std::shared_ptr<Session> Use(const Entry& entry) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::shared_ptr<Session>> MakeInRoom(SessionBirth birth,
                                                      const SessionSpec& spec,
                                                      const Layout& layout,
                                                      Durable durable);
  // Decides what the spec leaves open. Fails with NO_STORE, or as
  // Journal::CheckLimits.
  absl::StatusOr<Durable> DurableOf(SessionSpec& spec,
                                    const Layout& layout) const;
  absl::StatusOr<Created> Add(const std::shared_ptr<Session>& session,
                              Budget::Reservation place);
  absl::StatusOr<std::shared_ptr<Session>> FindByRequest(
      const RequestKey& key) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const SessionLimits limits_;
  const NewFeed new_feed_;
  const NewDurable new_durable_;
  const std::function<void(const Session&)> evicted_;
  Budget places_;   // of sessions in memory, or about to be
  Budget numbers_;  // of all sessions together, whoever holds them

  mutable Mutex mutex_;
  std::map<std::string, Entry> sessions_ ABSL_GUARDED_BY(mutex_);  // by id
  // Those in memory; the one that was used longest ago first, more or less.
  mutable std::list<Entry*> by_use_ ABSL_GUARDED_BY(mutex_);
  std::unordered_map<std::string, std::string> id_of_request_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_SESSION_TABLE_H_
