// SPDX-License-Identifier: Apache-2.0
//
// A store on a disk that may fail, and what is to be in it.
#ifndef BACKPROP_TESTS_SERVER_STORE_STORE_UNDER_TEST_H_
#define BACKPROP_TESTS_SERVER_STORE_STORE_UNDER_TEST_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/store/sqlite_store.h"
#include "tests/server/store/faulty_vfs.h"
#include "tests/server/store/store_model.h"
#include "tests/server/store/temporary_folder.h"

namespace backprop::testing {

class StoreUnderTest {
 public:
  explicit StoreUnderTest(uint64_t seed) : random_(seed, 40'000) {
    FaultyVfs::Get().Reset();
  }

  ~StoreUnderTest() {
    Close();
    FaultyVfs::Get().Reset();
  }

  absl::Status Open() {
    auto opened = OpenSqliteStore(folder_.path(), {.log_bytes = 100'000});
    if (!opened.ok()) return opened.status();
    store_ = *std::move(opened);
    return absl::OkStatus();
  }
  void Close() { store_.reset(); }

  // Draws what is committed next, unless the last was not acknowledged.
  absl::Status Commit() {
    if (changes_.empty()) changes_ = random_.Next(model_);
    const auto taken = store_->Commit(changes_);
    if (!taken.ok()) return taken.status();
    EXPECT_EQ(*taken, model_.Commit(changes_));
    changes_.clear();
    return absl::OkStatus();
  }

  // Whether all that was acknowledged is there, and no more.
  absl::Status Compare() { return model_.Compare(*store_); }

  // The same where the last commit may be there too, though it was not
  // acknowledged; goes on from what is there.
  absl::Status CompareAfterCut() {
    absl::Status without = model_.Compare(*store_);
    if (without.ok()) return without;
    StoreModel with = model_;
    with.Commit(changes_);
    if (!with.Compare(*store_).ok()) return without;
    model_ = with;
    changes_.clear();
    return absl::OkStatus();
  }

  std::vector<std::string> Faults() {
    std::vector<std::string> faults;
    const absl::Status checked = store_->Check(
        [&](std::string_view fault) { faults.emplace_back(fault); });
    if (!checked.ok()) faults.emplace_back(checked.message());
    return faults;
  }

  bool open() const { return store_ != nullptr; }
  const std::string& path() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
  RandomChanges random_;
  StoreModel model_;
  std::vector<SessionChange> changes_;  // that no commit has answered yet
  std::unique_ptr<Store> store_;
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_STORE_STORE_UNDER_TEST_H_
