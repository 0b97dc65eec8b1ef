// SPDX-License-Identifier: Apache-2.0
//
// The embedded store beside the model, over changes that nobody has thought of.
#include "tests/server/store/store_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/store/sqlite_store.h"
#include "tests/server/store/seed.h"
#include "tests/server/store/temporary_folder.h"

namespace backprop::testing {
namespace {

using ::testing::IsEmpty;

std::vector<std::string> FaultsIn(Store& store) {
  std::vector<std::string> faults;
  EXPECT_TRUE(
      store.Check([&](std::string_view fault) { faults.emplace_back(fault); })
          .ok());
  return faults;
}

TEST(StoreModelTest, TheStoreSaysWhatTheModelDoes) {
  const TemporaryFolder folder;
  RandomChanges random(TestSeed(), 50'000);
  StoreModel model;
  auto store = OpenSqliteStore(folder.path(), {.log_bytes = 200'000});
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(store.ok()) << store.status();
    const std::vector<SessionChange> changes = random.Next(model);
    const auto taken = (*store)->Commit(changes);
    ASSERT_TRUE(taken.ok()) << taken.status();
    ASSERT_EQ(*taken, model.Commit(changes)) << "commit " << i;
    ASSERT_EQ(model.Compare(**store), absl::OkStatus()) << "commit " << i;
    if (i % 20 != 19) continue;
    ASSERT_THAT(FaultsIn(**store), IsEmpty());
    store = absl::UnknownError("closed");
    store = OpenSqliteStore(folder.path(), {.log_bytes = 200'000});
    ASSERT_TRUE(store.ok()) << store.status();
    ASSERT_EQ(model.Compare(**store), absl::OkStatus()) << "after opening";
  }
}

}  // namespace
}  // namespace backprop::testing
