// SPDX-License-Identifier: Apache-2.0
#include "server/offline/whole_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "server/store/data_dir.h"

namespace backprop {
namespace {

// False: errno says why not.
bool WriteAndSync(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return fsync(descriptor) == 0;
}

bool WriteNew(const std::string& file, std::string_view bytes) {
  const int descriptor =
      open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return false;
  const bool written = WriteAndSync(descriptor, bytes);
  const int why = errno;
  if (close(descriptor) == 0 || !written) errno = why;
  return written;
}

}  // namespace

absl::Status WriteWhole(const std::string& file, std::string_view bytes) {
  const std::string partial = file + ".partial";
  if (WriteNew(partial, bytes) &&
      std::rename(partial.c_str(), file.c_str()) == 0) {
    return SyncFolder(std::filesystem::path(file).parent_path());
  }
  const std::string why = std::strerror(errno);
  unlink(partial.c_str());
  return absl::InternalError(absl::StrCat("can't write ", file, ": ", why));
}

}  // namespace backprop
