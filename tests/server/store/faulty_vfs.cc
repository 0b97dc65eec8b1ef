// SPDX-License-Identifier: Apache-2.0
#include "tests/server/store/faulty_vfs.h"

#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <new>
#include <sstream>
#include <utility>

namespace backprop::testing {
namespace {

constexpr size_t kSector = 512;

// As SQLite sees a file; the usual VFS's follows it in memory.
struct OpenFile {
  sqlite3_file file;
  std::string* path;  // null: a temporary file, which nothing survives
};

sqlite3_file* Usual(sqlite3_file* file) {
  return reinterpret_cast<sqlite3_file*>(reinterpret_cast<OpenFile*>(file) + 1);
}

const std::string& PathOf(sqlite3_file* file) {
  static const std::string none;
  const std::string* const path = reinterpret_cast<OpenFile*>(file)->path;
  return path == nullptr ? none : *path;
}

int Close(sqlite3_file* file) {
  delete std::exchange(reinterpret_cast<OpenFile*>(file)->path, nullptr);
  return Usual(file)->pMethods->xClose(Usual(file));
}

int Read(sqlite3_file* file, void* bytes, int size, sqlite3_int64 offset) {
  if (!FaultyVfs::Get().MayDo(FaultyVfs::Call::kRead)) {
    return SQLITE_IOERR_READ;
  }
  return Usual(file)->pMethods->xRead(Usual(file), bytes, size, offset);
}

size_t Growth(sqlite3_file* file, int size, sqlite3_int64 offset) {
  sqlite3_int64 now = 0;
  Usual(file)->pMethods->xFileSize(Usual(file), &now);
  return static_cast<size_t>(std::max<sqlite3_int64>(offset + size - now, 0));
}

int Write(sqlite3_file* file, const void* bytes, int size,
          sqlite3_int64 offset) {
  FaultyVfs& vfs = FaultyVfs::Get();
  const std::lock_guard lock(vfs.mutex());
  if (!vfs.MayGrow(Growth(file, size, offset))) return SQLITE_FULL;
  vfs.OnWrite(PathOf(file), static_cast<size_t>(offset),
              {static_cast<const char*>(bytes), static_cast<size_t>(size)});
  const bool whole = vfs.MayDo(FaultyVfs::Call::kWrite);
  if (!vfs.power()) return SQLITE_IOERR_WRITE;
  const int written = Usual(file)->pMethods->xWrite(
      Usual(file), bytes, whole ? size : size / 2, offset);
  if (whole) return written;
  vfs.OnHalfWritten(PathOf(file));
  return SQLITE_IOERR_WRITE;
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  FaultyVfs& vfs = FaultyVfs::Get();
  const std::lock_guard lock(vfs.mutex());
  if (!vfs.MayDo(FaultyVfs::Call::kOther)) return SQLITE_IOERR_TRUNCATE;
  vfs.OnTruncate(PathOf(file), static_cast<size_t>(size));
  return Usual(file)->pMethods->xTruncate(Usual(file), size);
}

// The disk of the machine is not waited for.
int Sync(sqlite3_file* file, int) {
  FaultyVfs& vfs = FaultyVfs::Get();
  const std::lock_guard lock(vfs.mutex());
  const bool done = vfs.MayDo(FaultyVfs::Call::kSync);
  vfs.OnSync(PathOf(file), done);
  return done ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  if (!FaultyVfs::Get().MayDo(FaultyVfs::Call::kOther)) {
    return SQLITE_IOERR_FSTAT;
  }
  return Usual(file)->pMethods->xFileSize(Usual(file), size);
}

int Lock(sqlite3_file* file, int kind) {
  return Usual(file)->pMethods->xLock(Usual(file), kind);
}

int Unlock(sqlite3_file* file, int kind) {
  return Usual(file)->pMethods->xUnlock(Usual(file), kind);
}

int CheckReservedLock(sqlite3_file* file, int* reserved) {
  return Usual(file)->pMethods->xCheckReservedLock(Usual(file), reserved);
}

int FileControl(sqlite3_file* file, int operation, void* argument) {
  return Usual(file)->pMethods->xFileControl(Usual(file), operation, argument);
}

int SectorSize(sqlite3_file* file) {
  return Usual(file)->pMethods->xSectorSize(Usual(file));
}

int DeviceCharacteristics(sqlite3_file* file) {
  return Usual(file)->pMethods->xDeviceCharacteristics(Usual(file));
}

int ShmMap(sqlite3_file* file, int region, int size, int extend,
           void volatile** mapped) {
  if (!FaultyVfs::Get().MayDo(FaultyVfs::Call::kOther)) {
    return SQLITE_IOERR_SHMMAP;
  }
  return Usual(file)->pMethods->xShmMap(Usual(file), region, size, extend,
                                        mapped);
}

int ShmLock(sqlite3_file* file, int offset, int count, int flags) {
  return Usual(file)->pMethods->xShmLock(Usual(file), offset, count, flags);
}

void ShmBarrier(sqlite3_file* file) {
  Usual(file)->pMethods->xShmBarrier(Usual(file));
}

int ShmUnmap(sqlite3_file* file, int remove) {
  return Usual(file)->pMethods->xShmUnmap(Usual(file), remove);
}

constexpr sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = &Close,
    .xRead = &Read,
    .xWrite = &Write,
    .xTruncate = &Truncate,
    .xSync = &Sync,
    .xFileSize = &FileSize,
    .xLock = &Lock,
    .xUnlock = &Unlock,
    .xCheckReservedLock = &CheckReservedLock,
    .xFileControl = &FileControl,
    .xSectorSize = &SectorSize,
    .xDeviceCharacteristics = &DeviceCharacteristics,
    .xShmMap = &ShmMap,
    .xShmLock = &ShmLock,
    .xShmBarrier = &ShmBarrier,
    .xShmUnmap = &ShmUnmap,
    .xFetch = nullptr,
    .xUnfetch = nullptr};

int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags,
         int* out_flags) {
  FaultyVfs& vfs = FaultyVfs::Get();
  const std::lock_guard lock(vfs.mutex());
  file->pMethods = nullptr;
  if (!vfs.MayDo(FaultyVfs::Call::kOther)) return SQLITE_CANTOPEN;
  const bool is_new = name != nullptr && access(name, F_OK) != 0;
  const int code =
      vfs.usual()->xOpen(vfs.usual(), name, Usual(file), flags, out_flags);
  if (code != SQLITE_OK) return code;
  file->pMethods = &kMethods;
  reinterpret_cast<OpenFile*>(file)->path =
      name == nullptr ? nullptr : new std::string(name);
  vfs.OnOpen(PathOf(file), is_new);
  return SQLITE_OK;
}

int Delete(sqlite3_vfs*, const char* name, int sync_folder) {
  FaultyVfs& vfs = FaultyVfs::Get();
  const std::lock_guard lock(vfs.mutex());
  if (!vfs.MayDo(FaultyVfs::Call::kOther)) return SQLITE_IOERR_DELETE;
  vfs.OnDelete(name, sync_folder != 0);
  return vfs.usual()->xDelete(vfs.usual(), name, 0);
}

int Access(sqlite3_vfs*, const char* name, int flags, int* answer) {
  FaultyVfs& vfs = FaultyVfs::Get();
  if (!vfs.MayDo(FaultyVfs::Call::kOther)) return SQLITE_IOERR_ACCESS;
  return vfs.usual()->xAccess(vfs.usual(), name, flags, answer);
}

int FullPathname(sqlite3_vfs*, const char* name, int size, char* path) {
  sqlite3_vfs* const usual = FaultyVfs::Get().usual();
  return usual->xFullPathname(usual, name, size, path);
}

std::string Content(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

void Put(const std::string& bytes, size_t offset, std::string& content) {
  if (content.size() < offset + bytes.size()) {
    content.resize(offset + bytes.size());
  }
  content.replace(offset, bytes.size(), bytes);
}

}  // namespace

FaultyVfs& FaultyVfs::Get() {
  static FaultyVfs& vfs = *new FaultyVfs;  // SQLite may ask it to the last
  return vfs;
}

FaultyVfs::FaultyVfs() : usual_(sqlite3_vfs_find(nullptr)) {
  auto vfs = std::make_unique<sqlite3_vfs>(*usual_);
  vfs->iVersion = 2;
  vfs->szOsFile = static_cast<int>(sizeof(OpenFile)) + usual_->szOsFile;
  vfs->pNext = nullptr;
  vfs->zName = "faulty";
  vfs->xOpen = &Open;
  vfs->xDelete = &Delete;
  vfs->xAccess = &Access;
  vfs->xFullPathname = &FullPathname;
  sqlite3_vfs_register(vfs.release(), 1);
}

void FaultyVfs::Reset() {
  const std::lock_guard lock(mutex_);
  Heal();
  calls_ = 0;
  failed_ = false;
  remembers_ = false;
  power_ = true;
  cut_countdown_ = 0;
  files_.clear();
}

void FaultyVfs::Heal() {
  const std::lock_guard lock(mutex_);
  fault_ = {};
  failing_ = false;
  room_.reset();
}

uint64_t FaultyVfs::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

bool FaultyVfs::failed() const {
  const std::lock_guard lock(mutex_);
  return failed_;
}

void FaultyVfs::FailAt(uint64_t call, How how) {
  const std::lock_guard lock(mutex_);
  fault_ = {call, how, false};
}

void FaultyVfs::FailSyncAt(uint64_t sync, How how) {
  const std::lock_guard lock(mutex_);
  fault_ = {sync, how, true};
}

void FaultyVfs::LimitGrowth(size_t bytes) {
  const std::lock_guard lock(mutex_);
  room_ = bytes;
}

void FaultyVfs::RememberUnsynced() {
  const std::lock_guard lock(mutex_);
  remembers_ = true;
}

void FaultyVfs::CutPowerAt(uint64_t call, uint64_t seed,
                           std::function<void()> on_cut) {
  const std::lock_guard lock(mutex_);
  random_.seed(seed);
  cut_countdown_ = call;
  on_cut_ = std::move(on_cut);
}

void FaultyVfs::CutPower(uint64_t seed) {
  const std::lock_guard lock(mutex_);
  random_.seed(seed);
  on_cut_ = [] {};
  Cut();
}

bool FaultyVfs::MayDo(Call call) {
  const std::lock_guard lock(mutex_);
  ++calls_;
  if (!power_) return false;
  if (cut_countdown_ > 0 && --cut_countdown_ == 0) {
    Cut();
    return false;
  }
  if (!FaultComes(call)) return true;
  failed_ = true;
  failing_ = fault_.how == How::kForEver;
  return false;
}

bool FaultyVfs::FaultComes(Call call) {
  if (fault_.syncs_only && call != Call::kSync) return false;
  if (failing_) return true;
  return fault_.countdown > 0 && --fault_.countdown == 0;
}

bool FaultyVfs::MayGrow(size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (!room_.has_value()) return true;
  if (bytes > *room_) {
    failed_ = true;
    return false;
  }
  *room_ -= bytes;
  return true;
}

void FaultyVfs::OnOpen(const std::string& path, bool is_new) {
  if (!remembers_ || path.empty()) return;
  const auto [file, first] = files_.try_emplace(path);
  if (is_new) {
    file->second = {};
  } else if (first) {
    file->second.there = true;
    file->second.synced = Content(path);
  }
}

void FaultyVfs::OnWrite(const std::string& path, size_t offset,
                        std::string_view bytes) {
  const auto file = files_.find(path);
  if (!power_ || file == files_.end()) return;
  file->second.unsynced.push_back({offset, std::string(bytes), std::nullopt});
}

void FaultyVfs::OnHalfWritten(const std::string& path) {
  const auto file = files_.find(path);
  if (!power_ || file == files_.end()) return;
  std::string& bytes = file->second.unsynced.back().bytes;
  bytes.resize(bytes.size() / 2);
}

void FaultyVfs::OnTruncate(const std::string& path, size_t size) {
  const auto file = files_.find(path);
  if (file == files_.end()) return;
  file->second.unsynced.push_back({0, "", size});
}

void FaultyVfs::OnSync(const std::string& path, bool done) {
  const auto file = files_.find(path);
  if (!power_ || file == files_.end()) return;
  for (const Write& write : file->second.unsynced) {
    if (!done) break;
    if (write.truncated_to.has_value()) {
      file->second.synced.resize(*write.truncated_to);
    } else {
      Put(write.bytes, write.offset, file->second.synced);
    }
  }
  file->second.unsynced.clear();
  if (done) file->second.there = true;
}

void FaultyVfs::OnDelete(const std::string& path, bool synced) {
  const auto file = files_.find(path);
  if (file == files_.end()) return;
  if (synced) {
    files_.erase(file);
  } else {
    file->second.removed = true;
  }
}

void FaultyVfs::Cut() {
  power_ = false;
  failed_ = true;
  for (const auto& [path, file] : files_) LeaveOnDisk(path, file);
  on_cut_();
}

void FaultyVfs::LeaveOnDisk(const std::string& path, const File& file) {
  // One that was renamed is another's.
  if (!file.removed && access(path.c_str(), F_OK) != 0) return;
  const bool unsure = file.removed || !file.there;
  if (unsure && random_() % 2 == 0) {
    unlink(path.c_str());
    return;
  }
  std::string content = file.synced;
  for (const Write& write : file.unsynced) {
    switch (random_() % 3) {
      case 0:
        break;
      case 1:
        ApplyAsTorn(write, content);
        break;
      default:
        if (write.truncated_to.has_value()) {
          content.resize(*write.truncated_to);
        } else {
          Put(write.bytes, write.offset, content);
        }
    }
  }
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

void FaultyVfs::ApplyAsTorn(const Write& write, std::string& content) {
  for (size_t at = 0; at < write.bytes.size(); at += kSector) {
    if (random_() % 2 == 0) continue;
    Put(write.bytes.substr(at, kSector), write.offset + at, content);
  }
}

}  // namespace backprop::testing
