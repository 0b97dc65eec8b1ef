// SPDX-License-Identifier: Apache-2.0
//
// Sessions that are in the store alone: listed when a server starts, described
// from what the store has of them, brought into memory when they are first
// used, deleted.
//
//   loader.Load(id, [](auto session) { … });   // any thread, which goes on
//
// All of it happens in jobs of the store's reader, one after the other. What a
// job finds of a session it decides on: one that is asked for twice is loaded
// once, and one that is being loaded is deleted when it has come. A session
// that has come back is at the step where it was durable, in its next epoch,
// and is seen by nobody before that epoch is durable too: nobody may be told of
// a step of an epoch that a crash could take back.
#ifndef BACKPROP_SERVER_SESSIONS_SESSION_LOADER_H_
#define BACKPROP_SERVER_SESSIONS_SESSION_LOADER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/sessions/committer.h"
#include "server/sessions/journal.h"
#include "server/sessions/session_codec.h"
#include "server/sessions/session_table.h"
#include "server/sessions/store_reader.h"
#include "server/store/store.h"

namespace backprop {

// What loading needs; all of it outlives the loader.
struct SessionLoading {
  StoreReader& reader;
  const SessionCodec& codec;
  Committer& committer;
  SessionTable& sessions;
  // Of each session's past in the store, whatever its spec says.
  size_t max_history_bytes = Journal::kNoBound;
  // Told of each session that is in memory again, and how long that took.
  std::function<void(const Session&, std::chrono::duration<double>)> loaded;
  // Told of each that could not be brought back, and why. It stays in the store
  // as it is.
  std::function<void(const std::string& id, const absl::Status& why)> failed;
};

// A session as the store has it.
struct StoredView {
  SessionRecord record;
  uint64_t epoch = 0;  // that begins when it is next used
  size_t bytes = 0;    // of its pieces
  SessionTable::Time last_use = {};
};

// A session wherever it is: one of the two.
struct Described {
  std::shared_ptr<Session> session;
  std::optional<StoredView> stored;
};

class SessionLoader {
 public:
  template <class Value>
  using Done = std::function<void(absl::StatusOr<Value>)>;
  using Loaded = Done<std::shared_ptr<Session>>;

  explicit SessionLoader(SessionLoading loading)
      : loading_(std::move(loading)) {}
  SessionLoader(const SessionLoader&) = delete;
  SessionLoader& operator=(const SessionLoader&) = delete;

  // Tells the table of all sessions that the store has. Before anything is
  // served. Returns how many. Fails where the store does.
  absl::StatusOr<size_t> List(Store& store);

  // Any thread. Each calls done once, from the reader's or the committer's
  // thread, and must not be called after the reader has been stopped. They fail
  // with SESSION_DAMAGED, or with STORE_FAILED where the store does.

  // Calls done with the session in memory; with null if there is none of that
  // id. Fails also with SESSION_LIMIT, where there is no room for half a
  // second.
  void Load(const std::string& id, Loaded done);
  // Fails also with SESSION_NOT_FOUND.
  void Describe(const std::string& id, Done<Described> done);
  // Calls done with null when the store has forgotten the session, be it
  // damaged there or not; with the session, which has not been touched, where
  // it is in memory. Fails also with SESSION_NOT_FOUND.
  void Delete(const std::string& id, Loaded done);
  // The same, if it is in the store alone and had expired by then. Else done is
  // not called.
  void DeleteExpired(const std::string& id, SessionTable::Time then,
                     Loaded done);
  // Of one that is in the store alone: its checkpoints that have expired by
  // then go. It is brought into memory for that, if it has some, and so their
  // pieces leave the store as they do of others; which is no use of it, so that
  // it leaves again. sweep: let go of when that is done, or could not be.
  void ForgetCheckpoints(const std::string& id, SessionTable::Time then,
                         std::shared_ptr<const void> sweep);

 private:
  // A session on its way into memory.
  struct Coming {
    std::chrono::steady_clock::time_point since =
        std::chrono::steady_clock::now();
    SessionTable::Returned returned;
    std::vector<Loaded> waiters;
    bool is_used = false;  // somebody wants it
  };

  // The rest within jobs.
  void LoadNow(Store& store, const std::string& id, Loaded done);
  void DescribeNow(Store& store, const std::string& id,
                   const Done<Described>& done);
  void DeleteNow(Store& store, const std::string& id, Loaded done);
  void DeleteStored(const SessionHead& head, Loaded done);
  void ForgetCheckpointsNow(Store& store, const std::string& id,
                            SessionTable::Time then,
                            const std::shared_ptr<const void>& sweep);
  // When a checkpoint of a session is to go next.
  absl::StatusOr<SessionTable::Time> NextExpiry(Store& store,
                                                const std::string& id);
  // Of one in coming_.
  void TryToLoad(Store& store, const std::string& id);
  absl::StatusOr<SessionTable::Returned> BringBack(Store& store,
                                                   const std::string& id);
  absl::StatusOr<StoredView> View(Store& store, const std::string& id);
  void AwaitEpoch(const std::string& id);
  // An attempt to commit it.
  void EndEpochCommit(const std::string& id, const absl::Status& status);
  void Answer(const std::string& id,
              const absl::StatusOr<std::shared_ptr<Session>>& answer);

  const SessionLoading loading_;
  std::unordered_map<std::string, Coming> coming_;  // the jobs'
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_SESSION_LOADER_H_
