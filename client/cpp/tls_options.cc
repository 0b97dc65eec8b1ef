// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/tls_options.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"

namespace backprop {
namespace {

// What a file has to hold, and the part of its lines that shows it.
struct Kind {
  const char* name;
  const char* mark;
};
constexpr Kind kCertificate = {"certificate", "-----BEGIN CERTIFICATE-----"};
// Of every kind of key: "EC PRIVATE KEY", "RSA PRIVATE KEY", …
constexpr Kind kKey = {"private key", "PRIVATE KEY-----"};

absl::StatusOr<std::string> ReadPem(const char* field, const std::string& path,
                                    const Kind& kind) {
  if (path.empty()) return std::string();
  const auto refused = [&](const std::string& text) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": ", text));
  };
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream read;
  // A directory can be opened, but not read.
  read << file.rdbuf();
  if (!file.is_open() || (read.fail() && errno != 0)) {
    return refused(
        absl::StrCat("cannot read ", path, ": ", std::strerror(errno)));
  }
  const std::string text = read.str();
  if (text.find(kind.mark) == std::string::npos) {
    return refused(absl::StrCat(path, " holds no ", kind.name,
                                " in PEM form (no ", kind.mark, " is in it)"));
  }
  if (text.find("ENCRYPTED") != std::string::npos) {
    return refused(absl::StrCat(
        "the key in ", path,
        " has a passphrase, and nobody can be asked for it; take it off with "
        "openssl pkey -in OLD -out NEW"));
  }
  return text;
}

}  // namespace

absl::StatusOr<TlsTexts> ReadTlsFiles(const TlsOptions& tls) {
  if (tls.texts.has_value()) return *tls.texts;
  if (tls.key_file.empty() && !tls.certificate_file.empty()) {
    return absl::InvalidArgumentError(
        "tls.key_file: a certificate of the client's needs its private key");
  }
  if (tls.certificate_file.empty() && !tls.key_file.empty()) {
    return absl::InvalidArgumentError(
        "tls.certificate_file: a private key needs its certificate");
  }
  auto authorities = ReadPem("tls.ca_file", tls.ca_file, kCertificate);
  if (!authorities.ok()) return authorities.status();
  auto certificate =
      ReadPem("tls.certificate_file", tls.certificate_file, kCertificate);
  if (!certificate.ok()) return certificate.status();
  auto key = ReadPem("tls.key_file", tls.key_file, kKey);
  if (!key.ok()) return key.status();
  return TlsTexts{*std::move(authorities), *std::move(certificate),
                  *std::move(key)};
}

}  // namespace backprop
