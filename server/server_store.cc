// SPDX-License-Identifier: Apache-2.0
#include "server/server_store.h"

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "server/ops/log.h"
#include "server/store/sqlite_store.h"

namespace backprop {
namespace {

using std::chrono::milliseconds;

std::string Text(const absl::Status& status) {
  return std::string(status.message());
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServerStore>> ServerStore::Open(
    const ServerOptions& options, ComputePool& pool, Metrics& metrics,
    Undurable& undurable) {
  auto directory = DataDir::Hold(options.data_dir, options.grpc_address);
  if (!directory.ok()) return directory.status();
  auto store = OpenSqliteStore(directory->path());
  if (!store.ok()) return store.status();
  return std::unique_ptr<ServerStore>(
      new ServerStore(*std::move(directory), *std::move(store), options, pool,
                      metrics, undurable));
}

ServerStore::ServerStore(DataDir directory, std::unique_ptr<Store> store,
                         const ServerOptions& options, ComputePool& pool,
                         Metrics& metrics, Undurable& undurable)
    : metrics_(metrics),
      max_history_bytes_(options.max_history_bytes),
      directory_(std::move(directory)),
      store_(std::move(store)),
      committer_(
          *store_, pool, milliseconds(options.commit_interval_ms),
          [this](const Committer::Attempt& attempt) { Report(attempt); },
          undurable),
      reader_(*store_) {
  metrics_.SetMaxUndurable(undurable.limit());
}

void ServerStore::Report(const Committer::Attempt& attempt) {
  const bool failed = !attempt.status.ok();
  metrics_.RecordCommit({.failed = failed,
                         .sessions = attempt.sessions,
                         .bytes = attempt.bytes,
                         .seconds = attempt.seconds,
                         .store_bytes = store_->DiskBytes()});
  for (const std::string& id : attempt.damaged) {
    Log(LogLevel::kError,
        "a session is damaged in the store: nothing that it does from here on "
        "is durable; backpropd check tells more",
        {{"session", std::string_view(id)},
         {"data_dir", std::string_view(directory_.path())}});
  }
  if (failed != failing_) {
    const std::string why = Text(attempt.status);
    if (failed) {
      Log(LogLevel::kError,
          "can't commit: what is durable stands still, and is tried again",
          {{"error", std::string_view(why)},
           {"data_dir", std::string_view(directory_.path())}});
    } else {
      Log(LogLevel::kInfo, "commits again",
          {{"data_dir", std::string_view(directory_.path())}});
    }
  }
  failing_ = failed;
}

absl::Status ServerStore::BringBack(SessionTable& sessions) {
  const auto start = std::chrono::steady_clock::now();
  loader_.emplace(SessionLoading{
      .reader = reader_,
      .codec = codec_,
      .committer = committer_,
      .sessions = sessions,
      .max_history_bytes = max_history_bytes_,
      .loaded =
          [this](const Session& session, std::chrono::duration<double> took) {
            metrics_.SessionLoaded(session.layout().weight_count(),
                                   took.count());
          },
      .failed =
          [this](const std::string& id, const absl::Status& why) {
            metrics_.SessionLoadFailed();
            const std::string text = Text(why);
            Log(LogLevel::kError, "can't bring a session back",
                {{"session", std::string_view(id)},
                 {"error", std::string_view(text)}});
          }});
  const auto count = loader_->List(*store_);
  if (!count.ok()) return count.status();
  metrics_.SessionsStored(*count);
  const std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - start;
  Log(LogLevel::kInfo, "sessions are there",
      {{"data_dir", std::string_view(directory_.path())},
       {"sessions", uint64_t{*count}},
       {"seconds", seconds.count()}});
  return absl::OkStatus();
}

Durable ServerStore::NewDurable(const SessionSpec& spec, const Layout& layout) {
  return {.journal = std::make_unique<Journal>(
              codec_, layout, spec.input.element_type, max_history_bytes_),
          .queue = &committer_};
}

}  // namespace backprop
