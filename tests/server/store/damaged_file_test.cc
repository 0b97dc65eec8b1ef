// SPDX-License-Identifier: Apache-2.0
//
// A small database of which one bit is another, for every bit, or whose end is
// missing, from every byte on. Either somebody says so, or all that is read is
// what was written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "server/store/sqlite_check.h"
#include "server/store/sqlite_store.h"
#include "tests/server/store/changes.h"
#include "tests/server/store/faulty_vfs.h"
#include "tests/server/store/raw_database.h"
#include "tests/server/store/store_model.h"
#include "tests/server/store/temporary_folder.h"

namespace backprop::testing {
namespace {

constexpr size_t kPage = 512;

std::vector<SessionChange> SmallSessions() {
  return {Creation("s-1", {Image(1, "weights"), Image(2, "state")}),
          Creation("s-2", {Image(1, std::string(700, 'w'))}),
          Creation("s-3", {}), NextEpoch("s-3", 1, 7)};
}

std::string FileBytes(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

// Of small pages: the real ones would be a million bits, of which most mean
// nothing.
class DamagedFileTest : public ::testing::Test {
 protected:
  DamagedFileTest() {
    {
      auto store = OpenSqliteStore(folder_.path());
      EXPECT_TRUE(store.ok()) << store.status();
      const std::vector<SessionChange> changes = SmallSessions();
      EXPECT_EQ(*(*store)->Commit(changes), model_.Commit(changes));
    }
    {
      RawDatabase raw(folder_.path());
      raw.Do("PRAGMA journal_mode = DELETE");
      raw.Do("PRAGMA page_size = " + std::to_string(kPage));
      raw.Do("VACUUM");
      raw.Do("PRAGMA journal_mode = WAL");
    }
    FaultyVfs::Get().Reset();
    whole_ = FileBytes(file_);
    EXPECT_EQ(Outcome(whole_), "as written");
  }

  // Of opening and reading these bytes.
  std::string Outcome(const std::string& bytes) {
    for (const char* const ending : {"-wal", "-shm", "-journal"}) {
      std::filesystem::remove(file_ + ending);
    }
    std::ofstream(file_, std::ios::binary | std::ios::trunc) << bytes;
    auto store = OpenSqliteStore(folder_.path());
    if (!store.ok()) return "refused";
    const absl::Status compared = model_.Compare(**store);
    if (compared.ok()) return "as written";
    return compared.code() == absl::StatusCode::kUnknown
               ? std::string(compared.message())
               : "refused";
  }

  StoreModel model_;
  TemporaryFolder folder_;
  const std::string file_ = folder_.File("sessions.db");
  std::string whole_;
};

class BitFlipTest : public DamagedFileTest,
                    public ::testing::WithParamInterface<int> {};

constexpr int kShares = 8;
INSTANTIATE_TEST_SUITE_P(Share, BitFlipTest, ::testing::Range(0, kShares));

TEST_P(BitFlipTest, IsSeenOrChangesNothing) {
  size_t refused = 0;
  const size_t share = (whole_.size() + kShares - 1) / kShares;
  const size_t first = share * GetParam();
  for (size_t at = first; at < std::min(first + share, whole_.size()); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes = whole_;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
      const std::string outcome = Outcome(bytes);
      if (outcome == "refused") {
        ++refused;
      } else {
        EXPECT_EQ(outcome, "as written") << "byte " << at << ", bit " << bit;
      }
    }
  }
  std::cout << refused << " of " << 8 * share << " seen\n";
  EXPECT_GT(refused, share / 8) << "too few to have met what matters";
}

TEST_F(DamagedFileTest, AMissingEndIsSeenOrChangesNothing) {
  size_t seen = 0;
  for (size_t size = 0; size < whole_.size(); ++size) {
    const std::string outcome = Outcome(whole_.substr(0, size));
    if (outcome == "refused") {
      ++seen;
    } else {
      ASSERT_EQ(outcome, "as written") << size << " bytes";
    }
  }
  EXPECT_GE(seen + kPage, whole_.size()) << "more than a page may miss";
}

}  // namespace
}  // namespace backprop::testing
