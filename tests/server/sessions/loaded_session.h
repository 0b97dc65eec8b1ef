// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_TESTS_SERVER_SESSIONS_LOADED_SESSION_H_
#define BACKPROP_TESTS_SERVER_SESSIONS_LOADED_SESSION_H_

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>

#include "server/sessions/committer.h"
#include "server/sessions/session_loader.h"
#include "server/sessions/session_table.h"
#include "server/sessions/store_reader.h"

namespace backprop::testing {

// Brings the session from the store into a table that knows of none. Adds a
// failure where that can't be done.
inline std::shared_ptr<Session> LoadedSession(const std::string& id,
                                              Store& store,
                                              const SessionCodec& codec,
                                              Committer& committer,
                                              SessionTable& sessions) {
  StoreReader reader(store);
  SessionLoader loader(
      {.reader = reader,
       .codec = codec,
       .committer = committer,
       .sessions = sessions,
       .loaded = [](const Session&, auto) {},
       .failed = [](const auto& session,
                    const auto& why) { ADD_FAILURE() << session << why; }});
  EXPECT_TRUE(loader.List(store).ok());
  std::promise<absl::StatusOr<std::shared_ptr<Session>>> loaded;
  loader.Load(id, [&](auto session) { loaded.set_value(session); });
  auto session = loaded.get_future().get().value();
  reader.Stop();
  return session;
}

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_SESSIONS_LOADED_SESSION_H_
