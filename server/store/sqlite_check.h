// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_STORE_SQLITE_CHECK_H_
#define BACKPROP_SERVER_STORE_SQLITE_CHECK_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/store.h"

namespace backprop {

// Store::Check of the database in a data directory, which need not be open, and
// may be one that does not open for its damage. Changes nothing in it: what it
// tells of is there for whoever looks next.
absl::Status CheckSqliteStore(
    const std::string& data_dir,
    const std::function<void(std::string_view)>& fault);

// Likewise for reading what can be read of it. One thread at a time.
absl::StatusOr<std::unique_ptr<ReadableStore>> LookIntoSqliteStore(
    const std::string& data_dir);

}  // namespace backprop

#endif  // BACKPROP_SERVER_STORE_SQLITE_CHECK_H_
