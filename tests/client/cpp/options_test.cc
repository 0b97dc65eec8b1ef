// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace backprop {
namespace {

using ::testing::HasSubstr;

constexpr char kCertificate[] =
    "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";
constexpr char kKey[] =
    "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n";

// Of this process alone: CTest runs several cases at once.
std::string File(const std::string& name, const std::string& content) {
  const std::string path = ::testing::TempDir() + "options_test." +
                           std::to_string(getpid()) + "." + name;
  std::ofstream(path) << content;
  return path;
}

std::string FaultOf(const TlsOptions& tls) {
  ClientOptions options;
  options.tls = tls;
  const absl::Status status = CheckOptions(options);
  EXPECT_TRUE(status.ok() ||
              status.code() == absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(OptionsTest, DefaultsAndSensibleFilesAreTaken) {
  EXPECT_TRUE(CheckOptions({}).ok());
  const std::string certificate = File("crt", kCertificate);
  EXPECT_EQ(FaultOf({}), "");
  EXPECT_EQ(FaultOf({.ca_file = certificate,
                     .certificate_file = certificate,
                     .key_file = File("key", kKey)}),
            "");
}

TEST(OptionsTest, FilesThatCannotBeReadAreNamedWithTheirField) {
  EXPECT_THAT(FaultOf({.ca_file = "/nowhere/ca.crt"}),
              HasSubstr("tls.ca_file: cannot read /nowhere/ca.crt: No such"));
  EXPECT_THAT(FaultOf({.ca_file = ::testing::TempDir()}),
              HasSubstr("Is a directory"));
}

TEST(OptionsTest, FilesThatHoldSomethingElseAreRefused) {
  const std::string certificate = File("crt", kCertificate);
  const std::string key = File("key", kKey);
  EXPECT_THAT(FaultOf({.ca_file = key}),
              HasSubstr("holds no certificate in PEM form"));
  EXPECT_THAT(FaultOf({.ca_file = File("empty", "")}),
              HasSubstr("holds no certificate"));
  EXPECT_THAT(
      FaultOf({.certificate_file = certificate, .key_file = certificate}),
      HasSubstr("tls.key_file: "));
  EXPECT_THAT(
      FaultOf({.certificate_file = certificate,
               .key_file =
                   File("locked", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n")}),
      HasSubstr("openssl pkey"));
}

TEST(OptionsTest, CertificateAndKeyBelongTogether) {
  EXPECT_THAT(FaultOf({.certificate_file = File("crt", kCertificate)}),
              HasSubstr("tls.key_file: "));
  EXPECT_THAT(FaultOf({.key_file = File("key", kKey)}),
              HasSubstr("tls.certificate_file: "));
}

// A pipe gives its bytes once, and a pair that is renewed meanwhile would not
// fit together.
TEST(OptionsTest, FilesAreReadOnce) {
  const std::string certificate = File("once.crt", kCertificate);
  const std::string key = File("once.key", kKey);
  ClientOptions options;
  options.tls = TlsOptions{
      .ca_file = certificate, .certificate_file = certificate, .key_file = key};
  const absl::StatusOr<ClientOptions> read = ReadOptions(options);
  ASSERT_TRUE(read.ok()) << read.status();
  File("once.crt", "");
  std::filesystem::remove(key);
  EXPECT_FALSE(CheckOptions(options).ok());
  const absl::StatusOr<ClientOptions> again = ReadOptions(*read);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->tls->texts->authorities, kCertificate);
  EXPECT_EQ(again->tls->texts->certificate, kCertificate);
  EXPECT_EQ(again->tls->texts->key, kKey);
}

TEST(OptionsTest, MetadataAndAuthorityAreCheckedToo) {
  ClientOptions options;
  options.metadata = {{"te", "x"}};
  EXPECT_THAT(std::string(CheckOptions(options).message()),
              HasSubstr("metadata: "));
  options = {};
  options.authority = "two words";
  EXPECT_THAT(std::string(CheckOptions(options).message()),
              HasSubstr("authority: "));
}

}  // namespace
}  // namespace backprop
