// SPDX-License-Identifier: Apache-2.0
#include "server/ops/readiness_check.h"

#include <httplib.h>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/options/address.h"

namespace backprop {
namespace {

constexpr time_t kTimeoutSeconds = 2;
constexpr int kOk = 200;

}  // namespace

absl::Status CheckReadiness(const std::string& http_address) {
  absl::StatusOr<HostPort> address = ParseHostPort(http_address);
  if (!address.ok()) return address.status();
  if (address->host == "0.0.0.0") address->host = "127.0.0.1";
  if (address->host == "::") address->host = "::1";
  httplib::Client client(address->host, address->port);
  client.set_connection_timeout(kTimeoutSeconds);
  client.set_read_timeout(kTimeoutSeconds);
  const httplib::Result answer = client.Get("/readyz");
  const std::string place = FormatHostPort(*address);
  if (!answer) {
    return absl::UnavailableError(absl::StrCat(
        "No answer from ", place, ": ", httplib::to_string(answer.error())));
  }
  if (answer->status != kOk) {
    return absl::UnavailableError(absl::StrCat(
        "The server at ", place, " is not ready: HTTP ", answer->status));
  }
  return absl::OkStatus();
}

}  // namespace backprop
