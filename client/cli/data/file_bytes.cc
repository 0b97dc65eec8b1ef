// SPDX-License-Identifier: Apache-2.0
#include "client/cli/data/file_bytes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <iostream>

#include "absl/strings/str_cat.h"

namespace backprop::cli {
namespace {

constexpr unsigned kReadBytes = 1 << 20;

absl::StatusOr<int> OpenForReading(const std::string& path) {
  const int file = path == "-" ? dup(STDIN_FILENO)
                               : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return absl::NotFoundError(
        absl::StrCat("cannot open ", path, ": ", std::strerror(errno)));
  }
  struct stat state {};
  if (fstat(file, &state) == 0 && S_ISDIR(state.st_mode)) {
    close(file);
    return absl::InvalidArgumentError(
        absl::StrCat(path, " is a directory: name a file in it"));
  }
  return file;
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  absl::StatusOr<int> file = OpenForReading(path);
  if (!file.ok()) return file.status();
  // zlib hands plain files through as they are.
  gzFile stream = gzdopen(*file, "rb");
  if (stream == nullptr) {
    close(*file);
    return absl::ResourceExhaustedError("no memory to read " + path);
  }
  std::string bytes;
  size_t size = 0;
  int got = 0;
  do {
    if (bytes.size() < size + kReadBytes) {
      bytes.resize(2 * bytes.size() + kReadBytes);
    }
    got = gzread(stream, bytes.data() + size, kReadBytes);
    if (got > 0) size += static_cast<size_t>(got);
  } while (got > 0);
  bytes.resize(size);
  int error = Z_OK;
  const std::string text = gzerror(stream, &error);
  gzclose(stream);
  // A file that was cut off reads as if it ended; only the error tells.
  if (got < 0 || (error != Z_OK && error != Z_STREAM_END)) {
    return absl::DataLossError(absl::StrCat("cannot read ", path, ": ", text,
                                            ": is the file complete?"));
  }
  return bytes;
}

absl::Status WriteFile(const std::string& path, const std::string& bytes,
                       IfThere if_there) {
  const auto size = static_cast<std::streamsize>(bytes.size());
  if (path == "-") {
    std::cout.write(bytes.data(), size).flush();
    return std::cout ? absl::OkStatus()
                     : absl::DataLossError("cannot write to standard output");
  }
  return WriteWhole(path, bytes, if_there);
}

}  // namespace backprop::cli
