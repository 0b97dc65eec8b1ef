// SPDX-License-Identifier: Apache-2.0
#include "engine/interchange/whole_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"

namespace backprop {
namespace {

constexpr int kMostNames = 100;

struct Partial {
  std::string name;
  int descriptor = -1;  // negative: errno says why
};

// Under a name that was free: what another wrote, or where a link of another
// leads, stays as it is.
Partial OpenPartial(const std::string& file) {
  Partial partial;
  for (int i = 0; i < kMostNames; ++i) {
    partial.name = absl::StrCat(file, ".", getpid(), "-", i, ".partial");
    partial.descriptor = open(partial.name.c_str(),
                              O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (partial.descriptor >= 0 || errno != EEXIST) break;
  }
  return partial;
}

// False: errno says why not; likewise below.
bool WriteAndSync(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return fsync(descriptor) == 0;
}

bool Fill(int descriptor, std::string_view bytes) {
  const bool written = WriteAndSync(descriptor, bytes);
  const int why = errno;
  const bool closed = close(descriptor) == 0;
  if (!written) errno = why;
  return written && closed;
}

// A second name, where the file system can't refuse a rename.
bool Link(const std::string& from, const std::string& to) {
  if (link(from.c_str(), to.c_str()) != 0) return false;
  unlink(from.c_str());
  return true;
}

bool Move(const std::string& from, const std::string& to, IfThere if_there) {
  if (if_there == IfThere::kReplace) {
    return std::rename(from.c_str(), to.c_str()) == 0;
  }
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(),
                RENAME_NOREPLACE) == 0) {
    return true;
  }
  return (errno == EINVAL || errno == ENOSYS) && Link(from, to);
}

// Some folders may be written to but not read, some file systems sync none:
// that is no fault of the file.
absl::Status SyncFolderOf(const std::string& file) {
  const std::string parent = std::filesystem::path(file).parent_path();
  const int folder = open(parent.empty() ? "." : parent.c_str(),
                          O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return absl::OkStatus();
  const bool failed = fsync(folder) != 0 && errno == EIO;
  close(folder);
  if (!failed) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(
      file,
      " is written, but a loss of power may take it away: cannot sync its "
      "folder: ",
      std::strerror(EIO)));
}

absl::Status NotWritten(const std::string& file, int why) {
  return absl::InternalError(
      absl::StrCat("cannot write ", file, ": ", std::strerror(why)));
}

}  // namespace

absl::Status WriteWhole(const std::string& file, std::string_view bytes,
                        IfThere if_there) {
  const Partial partial = OpenPartial(file);
  if (partial.descriptor < 0) return NotWritten(file, errno);
  if (Fill(partial.descriptor, bytes) && Move(partial.name, file, if_there)) {
    return SyncFolderOf(file);
  }
  const int why = errno;
  unlink(partial.name.c_str());
  if (why == EEXIST && if_there == IfThere::kRefuse) {
    return absl::AlreadyExistsError(absl::StrCat(file, " is there already"));
  }
  return NotWritten(file, why);
}

}  // namespace backprop
