// SPDX-License-Identifier: Apache-2.0
#include "server/store/data_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/store/failpoint.h"

namespace backprop {
namespace {

// Closes at the end of the block, unless it is taken.
class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int get() const { return descriptor_; }
  int Take() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

// Of the call that has just failed.
absl::Status CallError(std::string_view doing, const std::string& path) {
  const std::string why = std::generic_category().message(errno);
  return absl::UnavailableError(
      absl::StrCat("can't ", std::string(doing), " ", path, ": ", why,
                   "; choose another --data-dir, or see to its rights"));
}

std::string HostName() {
  std::array<char, 256> name = {};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data()
                                                        : "unknown";
}

std::string OwnText(std::string_view address) {
  return absl::StrCat(
      "pid ", getpid(), " on ", HostName(), " since ",
      absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::Now(), absl::UTCTimeZone()),
      ", gRPC address ", std::string(address), "\n");
}

// The file may hold anything.
std::string HolderText(int lock) {
  std::array<char, 512> bytes;
  const ssize_t read = pread(lock, bytes.data(), bytes.size(), 0);
  std::string text;
  for (ssize_t i = 0; i < read && bytes[i] != '\n'; ++i) {
    text += bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '?';
  }
  return text.empty() ? "another process" : text;
}

// Makes one folder whose parent is there.
absl::Status MakeOne(const std::filesystem::path& path) {
  if (mkdir(path.c_str(), S_IRWXU) != 0) {
    const int error = errno;
    struct stat found;
    if (error == EEXIST && stat(path.c_str(), &found) == 0 &&
        S_ISDIR(found.st_mode)) {
      return absl::OkStatus();
    }
    errno = error;
    return CallError("make the folder", path);
  }
  return SyncFolder(path.parent_path());
}

}  // namespace

absl::Status MakeFolder(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("the folder has no name");
  std::filesystem::path made;
  for (const std::filesystem::path& part : std::filesystem::path(path)) {
    made /= part;
    struct stat found;
    if (part.empty() || stat(made.c_str(), &found) == 0) continue;
    if (absl::Status s = MakeOne(made); !s.ok()) return s;
  }
  struct stat found;
  if (stat(path.c_str(), &found) != 0) return CallError("find", path);
  if (S_ISDIR(found.st_mode)) return absl::OkStatus();
  errno = ENOTDIR;
  return CallError("use", path);
}

absl::Status SyncFolder(const std::string& path) {
  const std::string named = path.empty() ? "." : path;
  const Descriptor folder(
      open(named.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) return CallError("open the folder", named);
  if (fsync(folder.get()) != 0) return CallError("sync the folder", named);
  return absl::OkStatus();
}

absl::StatusOr<DataDir> DataDir::Hold(const std::string& path,
                                      std::string_view address) {
  if (absl::Status s = MakeFolder(path); !s.ok()) return s;
  const std::string file = absl::StrCat(path, "/lock");
  Descriptor lock(
      open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (lock.get() < 0) return CallError("open", file);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return CallError("lock", file);
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is held by ", HolderText(lock.get()),
                     ": stop that server, or choose another --data-dir"));
  }
  const std::string text = OwnText(address);
  if (ftruncate(lock.get(), 0) != 0 ||
      pwrite(lock.get(), text.data(), text.size(), 0) !=
          static_cast<ssize_t>(text.size())) {
    return CallError("write", file);
  }
  MayDieAt(Failpoint::kDirectoryHeld);
  return DataDir(path, lock.Take());
}

DataDir::~DataDir() {
  if (lock_ >= 0) close(lock_);
}

}  // namespace backprop
