// SPDX-License-Identifier: Apache-2.0
//
// A disk that fails: an SQLite VFS before the usual one, through which every
// database of the process goes. Three kinds of faults:
//
//   vfs.FailAt(17, FaultyVfs::How::kOnce);     // the 17th call from now on
//   vfs.LimitGrowth(100'000);                  // then the disk is full
//   vfs.RememberUnsynced(); vfs.CutPowerAt(17, seed);
//
// Power loss: what was written since a file's last sync is there afterwards or
// not, each write for itself, whole or torn at sectors, in any order; a new
// file that was never synced, and one that was removed, may be there or not. A
// sync that fails takes what was to be synced for clean, as Linux does: later
// syncs leave it out, though it can still be read until the power goes. From
// the cut on every call fails, and the files are as the next start would find
// them.
//
// Files that are not opened through SQLite are not seen. Nothing is synced in
// truth: what a kill -9 leaves is what was written.
#ifndef BACKPROP_TESTS_SERVER_STORE_FAULTY_VFS_H_
#define BACKPROP_TESTS_SERVER_STORE_FAULTY_VFS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

struct sqlite3_vfs;

namespace backprop::testing {

// Thread-safe.
class FaultyVfs {
 public:
  enum class How { kOnce, kForEver };

  // The process's only one, which from the first call on is SQLite's default.
  // At first it has no faults.
  static FaultyVfs& Get();

  // No faults, calls counted from 0, nothing remembered, power on. No database
  // may be open that is to survive a cut later.
  void Reset();
  // No faults any more, the rest as it is.
  void Heal();

  // Calls that might have failed since Reset.
  uint64_t calls() const;
  // Whether the fault that was asked for has come.
  bool failed() const;

  // Calls are counted from 1 on, from here.
  void FailAt(uint64_t call, How how);
  // As FailAt, but counts, and fails, syncs alone.
  void FailSyncAt(uint64_t sync, How how);
  // Files may grow by so many bytes together.
  void LimitGrowth(size_t bytes);

  void RememberUnsynced();
  // on_cut: what comes then; a test of a whole process ends it there.
  void CutPowerAt(
      uint64_t call, uint64_t seed, std::function<void()> on_cut = [] {});
  void CutPower(uint64_t seed);

  // For the functions that SQLite calls: each asks before it does anything.
  enum class Call { kRead, kWrite, kSync, kOther };
  bool MayDo(Call call);
  bool power() const { return power_; }
  bool MayGrow(size_t bytes);
  sqlite3_vfs* usual() const { return usual_; }
  std::recursive_mutex& mutex() { return mutex_; }
  void OnOpen(const std::string& path, bool is_new);
  // Before it is asked for; where it then fails, half of it is done all the
  // same.
  void OnWrite(const std::string& path, size_t offset, std::string_view bytes);
  void OnHalfWritten(const std::string& path);
  void OnTruncate(const std::string& path, size_t size);
  void OnSync(const std::string& path, bool done);
  void OnDelete(const std::string& path, bool synced);

 private:
  struct Write {
    size_t offset = 0;
    std::string bytes;
    std::optional<size_t> truncated_to;  // instead
  };
  struct File {
    bool there = false;  // on the disk
    bool removed = false;
    std::string synced;           // what is on it
    std::vector<Write> unsynced;  // since, in order
  };
  struct Fault {
    uint64_t countdown = 0;  // 0: none is to come
    How how = How::kOnce;
    bool syncs_only = false;
  };

  FaultyVfs();
  bool FaultComes(Call call);
  void Cut();
  void ApplyAsTorn(const Write& write, std::string& content);
  void LeaveOnDisk(const std::string& path, const File& file);

  sqlite3_vfs* const usual_;
  mutable std::recursive_mutex mutex_;
  uint64_t calls_ = 0;
  Fault fault_;
  bool failing_ = false;  // for ever
  bool failed_ = false;
  std::optional<size_t> room_;
  bool remembers_ = false;
  bool power_ = true;
  uint64_t cut_countdown_ = 0;
  std::function<void()> on_cut_;
  std::mt19937_64 random_;
  std::map<std::string, File> files_;
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_STORE_FAULTY_VFS_H_
