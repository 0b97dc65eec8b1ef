// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/connection_flags.h"

#include <cstring>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "backprop/v1/error_reasons.h"
#include "client/cli/data/file_bytes.h"
#include "client/cli/flags/metadata_text.h"
#include "client/cpp/call_status.h"

namespace backprop::cli {
namespace {

constexpr char kMetadataFile[] = "--metadata-file";
constexpr char kMetadataVariable[] = "BACKPROP_METADATA";

absl::StatusOr<Metadata> AllMetadata(const ConnectionFlags& flags,
                                     const char* environment) {
  auto all =
      ParsePairs(kMetadataVariable, environment == nullptr ? "" : environment);
  if (!all.ok()) return all;
  if (!flags.metadata_file.empty()) {
    absl::StatusOr<std::string> text = ReadFile(flags.metadata_file);
    if (!text.ok()) {
      return absl::Status(text.status().code(),
                          absl::StrCat(kMetadataFile, ": ",
                                       std::string(text.status().message())));
    }
    auto pairs = ParsePairs(kMetadataFile, *text);
    if (!pairs.ok()) return pairs;
    Override(&*all, *std::move(pairs));
  }
  Metadata typed;
  for (const std::string& text : flags.metadata) {
    auto pair = ParsePair(kMetadataFlag, text);
    if (!pair.ok()) return pair.status();
    typed.push_back(*std::move(pair));
  }
  Override(&*all, std::move(typed));
  return all;
}

// The library's error about its options, as one about the flags.
absl::Status AboutFlags(const absl::Status& status) {
  constexpr std::pair<const char*, const char*> kFlags[] = {
      {"tls.ca_file: ", "--tls-ca"},
      {"tls.certificate_file: ", "--tls-cert"},
      {"tls.key_file: ", "--tls-key"},
      {"authority: ", "--authority"}};
  std::string fault(status.message());
  for (const auto& [field, flag] : kFlags) {
    if (fault.starts_with(field)) {
      return absl::Status(
          status.code(),
          absl::StrCat(flag, ": ", fault.substr(std::strlen(field))));
    }
  }
  return status;
}

// Where the server may want TLS, or more of it.
std::string AdviceOnTls(const ClientOptions& client) {
  if (!client.tls.has_value()) {
    return "If the server expects TLS, add --tls, and --tls-ca FILE with its "
           "authority's\ncertificate if your system does not know that.\n";
  }
  if (client.tls->certificate_file.empty()) {
    return "If the server asks for a client's certificate, add --tls-cert FILE "
           "and --tls-key FILE.\n";
  }
  return "If the server asks for a client's certificate, its authority must "
         "have signed\nthe one in --tls-cert.\n";
}

std::string AdviceOnToken(const ClientOptions& client) {
  return client.metadata.empty()
             ? "If it wants a token, give one: --metadata-file FILE, or "
               "BACKPROP_METADATA, with\nauthorization=Bearer TOKEN\n"
             : "Is the token in the metadata still valid?\n";
}

}  // namespace

void AddConnectionFlags(Command& app, ConnectionFlags* flags) {
  const auto add = [&](const char* flag, const char* variable,
                       std::string* value, const char* help, const char* type) {
    return app.add_option(flag, *value, help)
        ->type_name(type)
        ->envname(variable)
        ->group("Connection");
  };
  app.add_flag("--tls", flags->tls,
               "With TLS, as a proxy in front of backpropd speaks it")
      ->envname("BACKPROP_TLS")
      ->group("Connection");
  add("--tls-ca", "BACKPROP_TLS_CA", &flags->tls_ca,
      "With TLS, trusting the authorities whose certificates are in FILE "
      "(PEM), not those of the system",
      "FILE");
  Option* certificate =
      add("--tls-cert", "BACKPROP_TLS_CERT", &flags->tls_cert,
          "With TLS, and a certificate of our own, if the server asks for one "
          "(PEM)",
          "FILE");
  Option* key =
      add("--tls-key", "BACKPROP_TLS_KEY", &flags->tls_key,
          "The private key of --tls-cert (PEM, no passphrase)", "FILE");
  certificate->needs(key);
  key->needs(certificate);
  add("--authority", "BACKPROP_AUTHORITY", &flags->authority,
      "The server's name, for its certificate and for proxies, if --address "
      "is not it",
      "NAME");
  app.add_option(kMetadataFlag, flags->metadata,
                 "Sent with every call; may be repeated. Other users see the "
                 "command line: put secrets into BACKPROP_METADATA, one "
                 "KEY=VALUE a line, or into a file")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false)
      ->group("Connection");
  add(kMetadataFile, "BACKPROP_METADATA_FILE", &flags->metadata_file,
      "A file of such lines; - is standard input", "FILE");
}

absl::Status SetConnection(const ConnectionFlags& flags,
                           const char* environment, GlobalFlags* global) {
  auto metadata = AllMetadata(flags, environment);
  if (!metadata.ok()) return metadata.status();
  ClientOptions& client = global->client;
  client.metadata = *std::move(metadata);
  client.authority = flags.authority;
  if (flags.tls || !flags.tls_ca.empty() || !flags.tls_cert.empty() ||
      !flags.tls_key.empty()) {
    client.tls = TlsOptions{.ca_file = flags.tls_ca,
                            .certificate_file = flags.tls_cert,
                            .key_file = flags.tls_key};
  }
  absl::StatusOr<ClientOptions> read = ReadOptions(client);
  if (!read.ok()) return AboutFlags(read.status());
  client = *std::move(read);
  return absl::OkStatus();
}

std::string ConnectionAdvice(const absl::Status& status,
                             const GlobalFlags& global) {
  const ClientOptions& client = global.client;
  switch (ConnectionFaultOf(status)) {
    case ConnectionFault::kUntrusted:
      return client.tls.has_value() && !client.tls->ca_file.empty()
                 ? "Is --tls-ca the certificate of the authority that signed "
                   "the server's? See with\nopenssl s_client -connect " +
                       global.address + "\n"
                 : "Name the certificate of the authority that signed it: "
                   "--tls-ca FILE.\n";
    case ConnectionFault::kWrongName:
      return "Name the server as its certificate does, in --address or with "
             "--authority NAME.\n";
    case ConnectionFault::kNoTls:
      return "Name the port that speaks TLS, or leave the --tls flags out.\n";
    case ConnectionFault::kHttp1:
    case ConnectionFault::kClosed:
      return AdviceOnTls(client);
    case ConnectionFault::kTlsFiles:
      return "Look at --tls-ca, --tls-cert and --tls-key.\n";
    case ConnectionFault::kRefused:
      return AdviceOnToken(client) +
             (client.tls.has_value() ? AdviceOnTls(client) : "");
    case ConnectionFault::kTooLarge:
      return "nginx takes any size with client_max_body_size 0.\n";
    case ConnectionFault::kCut:
      return absl::StrCat(kAdviceOnCuts, "\n");
    case ConnectionFault::kUnknownName:
      return "Is the name in --address right?\n";
    case ConnectionFault::kNoRoute:
      return "A proxy has to pass /backprop.v1.TrainingService/ on to a "
             "backpropd.\n";
    case ConnectionFault::kNone:
    case ConnectionFault::kNobodyAnswers:
    case ConnectionFault::kNoBackend:
      break;
  }
  // One that says that it shuts down is there, or was.
  const bool unreachable =
      absl::IsUnavailable(status) && ReasonOf(status) != kShuttingDown.name;
  return unreachable ? "Is backpropd running at --address " + global.address +
                           "? Start it, or name another address.\n"
                     : "";
}

}  // namespace backprop::cli
