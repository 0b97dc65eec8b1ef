// SPDX-License-Identifier: Apache-2.0
#include "server/calls/list_sessions.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/calls/get_session.h"
#include "server/sessions/out_of_memory.h"
#include "server/sessions/rejection.h"
#include "server/sessions/session_loader.h"
#include "server/translation/spec.h"

namespace backprop {
namespace {

constexpr uint32_t kPageSize = 100;
constexpr uint32_t kLargestPage = 1000;
// A page ends early beyond this, so that pages of deep nets stay below gRPC's
// default receive limit.
constexpr size_t kFullPageBytes = size_t{1} << 20;

// A page that is being put together. One session after the other is described,
// those that are in the store alone by the store's reader: each in a job of its
// own, for others wait for that reader too.
class SessionPage : public std::enable_shared_from_this<SessionPage> {
 public:
  // request: checked. It and response outlive the object.
  SessionPage(ServiceContext& context, const v1::ListSessionsRequest& request,
              v1::ListSessionsResponse* response)
      : context_(context), request_(request), response_(*response) {}

  // In a turn of the pool. Calls done when all that has to be read has been.
  void Begin(std::function<void(const absl::Status&)> done) {
    done_ = std::move(done);
    const size_t size =
        request_.page_size() == 0 ? kPageSize : request_.page_size();
    // One more, to see whether there is a further page.
    found_ = context_.sessions.List(request_.page_token(), size + 1);
    full_ = found_.size() > size;
    if (full_) found_.pop_back();
    DescribeThoseInMemory();
    ReadNext(0);
  }

  // In another, after that.
  absl::Status Fill() {
    for (size_t i = 0; i < found_.size(); ++i) {
      if (bytes_ >= kFullPageBytes) return EndAt(i);
      if (const auto read = read_.find(i); read != read_.end()) {
        Add(std::move(read->second));
      }
    }
    return full_ ? EndAt(found_.size()) : absl::OkStatus();
  }

 private:
  // So that the page holds none of them while it waits for others: who is held
  // counts as used, and does not leave memory. What is beyond a full page is
  // another's.
  void DescribeThoseInMemory() {
    size_t bytes = 0;
    for (size_t i = 0; i < found_.size(); ++i) {
      if (bytes >= kFullPageBytes) {
        found_.resize(i);
        full_ = true;
        return;
      }
      if (found_[i].session == nullptr) continue;
      SessionToProto(*found_[i].session, &read_[i]);
      bytes += read_[i].ByteSizeLong();
      found_[i].session.reset();
    }
  }

  // From the i-th session on; what is beyond a full page is not read.
  void ReadNext(size_t i) {
    while (i < found_.size() && read_.contains(i)) ++i;
    if (i >= found_.size() || read_bytes_ >= kFullPageBytes) {
      return done_(absl::OkStatus());
    }
    context_.loader->Describe(
        found_[i].id, [self = shared_from_this(), i](const auto& described) {
          const absl::Status taken =
              CatchOutOfMemory([&] { self->TakeRead(i, described); });
          if (!taken.ok()) return self->done_(taken);
          self->ReadNext(i + 1);
        });
  }

  // One that was deleted meanwhile is left out.
  void TakeRead(size_t i, const absl::StatusOr<Described>& described) {
    const absl::Status& status = described.status();
    const bool damaged = ReasonOf(status) == kSessionDamaged.name;
    if (!status.ok() && !damaged) return;
    v1::Session& session = read_[i];
    if (damaged) {
      session.set_session_id(found_[i].id);
      session.set_damage(std::string(status.message()));
    } else {
      DescribeSession(*described, &session);
    }
    read_bytes_ += session.ByteSizeLong();
  }

  void Add(v1::Session session) {
    bytes_ += session.ByteSizeLong();
    *response_.add_sessions() = std::move(session);
  }

  // The next page begins with the i-th.
  absl::Status EndAt(size_t i) {
    response_.set_next_page_token(found_[i - 1].id);
    return absl::OkStatus();
  }

  ServiceContext& context_;
  const v1::ListSessionsRequest& request_;
  v1::ListSessionsResponse& response_;
  std::function<void(const absl::Status&)> done_;
  std::vector<SessionTable::Listed> found_;
  bool full_ = false;                   // there are more than found_
  std::map<size_t, v1::Session> read_;  // of found_
  size_t read_bytes_ = 0;               // of those from the store
  size_t bytes_ = 0;                    // of response_
};

}  // namespace

absl::StatusOr<Work> PlanListSessions(ServiceContext& context,
                                      const v1::ListSessionsRequest& request,
                                      v1::ListSessionsResponse* response) {
  if (request.page_size() > kLargestPage) {
    return InvalidField("page_size",
                        absl::StrCat("is ", request.page_size(),
                                     "; must be at most ", kLargestPage));
  }
  if (!request.page_token().empty() && !IsSessionId(request.page_token())) {
    return InvalidField("page_token",
                        "must be an answer's next_page_token, or empty");
  }
  const auto page = std::make_shared<SessionPage>(context, request, response);
  return Work{.lane = nullptr,
              .answer_bytes = 2 * kFullPageBytes,
              .part = [page](Worker&) { return page->Fill(); },
              .answer_field = "page_size",
              .begin =
                  [&context, page](const auto& done) {
                    context.pool.Submit([page, done](Worker&) {
                      const absl::Status begun =
                          CatchOutOfMemory([&] { page->Begin(done); });
                      if (!begun.ok()) done(begun);
                    });
                  }};
}

}  // namespace backprop
