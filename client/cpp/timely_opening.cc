// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/timely_opening.h"

#include <chrono>
#include <future>
#include <limits>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"

namespace backprop {
namespace {

// ResumingTrainStream has a window of its own.
constexpr SendWindow kNoWindow{.messages = std::numeric_limits<size_t>::max(),
                               .bytes = std::numeric_limits<size_t>::max()};

// How soon it is noticed that time is over.
constexpr auto kLook = std::chrono::milliseconds(50);

}  // namespace

absl::StatusOr<std::unique_ptr<TrainStream>> OpenTrainInTime(
    TrainingClient& client, const v1::Session& session,
    v1::TrainRequest opening, RetryClock& clock, Cancellation* cancellation) {
  const auto bound = client.options().call_deadline;
  const RetryClock::TimePoint end = clock.Now() + bound;
  Cancellation overdue(cancellation);
  std::future<absl::StatusOr<std::unique_ptr<TrainStream>>> opened;
  try {
    opened = std::async(std::launch::async, [&] {
      return client.OpenTrainWith(session, std::move(opening), kNoWindow,
                                  &overdue);
    });
  } catch (const std::system_error&) {
    return absl::UnavailableError("no thread is left to open the stream with");
  }
  bool late = false;
  while (opened.wait_for(kLook) != std::future_status::ready) {
    if (late || clock.Now() < end) continue;
    late = true;
    overdue.Cancel();
  }
  auto stream = opened.get();
  if (!late) return stream;
  return absl::UnavailableError(absl::StrFormat(
      "the server did not answer the opening of the stream within %g s",
      std::chrono::duration<double>(bound).count()));
}

}  // namespace backprop
