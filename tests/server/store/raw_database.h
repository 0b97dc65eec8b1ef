// SPDX-License-Identifier: Apache-2.0
//
// The store's database through sqlite3's own calls, as its shell would read it:
// what the store says of it is compared with that.
#ifndef BACKPROP_TESTS_SERVER_STORE_RAW_DATABASE_H_
#define BACKPROP_TESTS_SERVER_STORE_RAW_DATABASE_H_

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>
#include <vector>

namespace backprop::testing {

class RawDatabase {
 public:
  explicit RawDatabase(const std::string& data_dir) {
    EXPECT_EQ(sqlite3_open((data_dir + "/sessions.db").c_str(), &database_),
              SQLITE_OK);
  }
  RawDatabase(const RawDatabase&) = delete;
  RawDatabase& operator=(const RawDatabase&) = delete;
  ~RawDatabase() { sqlite3_close(database_); }

  // All columns of all rows, as text.
  std::vector<std::vector<std::string>> Rows(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(
        sqlite3_prepare_v2(database_, sql.c_str(), -1, &statement, nullptr),
        SQLITE_OK)
        << sqlite3_errmsg(database_);
    std::vector<std::vector<std::string>> rows;
    while (sqlite3_step(statement) == SQLITE_ROW) {
      std::vector<std::string>& row = rows.emplace_back();
      for (int i = 0; i < sqlite3_column_count(statement); ++i) {
        const void* const bytes = sqlite3_column_blob(statement, i);
        row.emplace_back(
            static_cast<const char*>(bytes == nullptr ? "" : bytes),
            sqlite3_column_bytes(statement, i));
      }
    }
    EXPECT_EQ(sqlite3_finalize(statement), SQLITE_OK)
        << sqlite3_errmsg(database_);
    return rows;
  }
  std::string One(const std::string& sql) {
    const auto rows = Rows(sql);
    return rows.size() == 1 && rows[0].size() == 1 ? rows[0][0] : "not one";
  }
  void Do(const std::string& sql) { Rows(sql); }

 private:
  sqlite3* database_ = nullptr;
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_STORE_RAW_DATABASE_H_
