// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/initialiser_flags.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/name_table.h"

namespace backprop::cli {
namespace {

// He's fits ReLU and its relations.
v1::InitialiserKind DefaultInitialiser(const v1::SessionSpec& spec) {
  const bool relu = std::any_of(
      spec.layers().begin(), spec.layers().end(), [](const v1::Layer& layer) {
        return layer.activation() == v1::ACTIVATION_RELU ||
               layer.activation() == v1::ACTIVATION_LEAKY_RELU;
      });
  return relu ? v1::INITIALISER_KIND_HE_UNIFORM
              : v1::INITIALISER_KIND_GLOROT_UNIFORM;
}

// Refuses a value of 0 that nothing would be left of in the request: all other
// values, and those that a kind must have, are the server's to judge.
absl::Status CheckValueIsRead(const InitialiserFlags& flags,
                              v1::InitialiserKind kind) {
  constexpr char kFlag[] = "--initialiser-value";
  if (flags.value != 0.0F) return absl::OkStatus();
  switch (kind) {
    case v1::INITIALISER_KIND_CONSTANT:
    case v1::INITIALISER_KIND_UNIFORM:
    case v1::INITIALISER_KIND_NORMAL:
      return absl::OkStatus();
    case v1::INITIALISER_KIND_ORTHOGONAL:
      return UsageError(kFlag, "is 0; leave it out for a scale of 1");
    default:
      return UsageError(
          kFlag, absl::StrCat("is 0; leave it out: ", InitialiserName(kind),
                              " has no such setting"));
  }
}

}  // namespace

void AddInitialiserFlags(Command& app, const std::string& group,
                         InitialiserFlags* flags) {
  app.add_option("--initialiser", flags->kind,
                 Choices(TableOf<v1::InitialiserKind>()) +
                     " [he-uniform with relu, else glorot-uniform]")
      ->type_name("NAME")
      ->group(group);
  app.add_option("--initialiser-value", flags->value,
                 "constant: the weight; uniform: the limit; normal: the "
                 "deviation; orthogonal: the scale [1]")
      ->check(RealNumber())
      ->type_name("NUMBER")
      ->group(group);
}

std::string InitialiserName(v1::InitialiserKind kind) {
  return std::string(NameOf(TableOf<v1::InitialiserKind>(), kind));
}

absl::Status SetInitialiser(const InitialiserFlags& flags, uint64_t seed,
                            v1::SessionSpec* spec) {
  absl::StatusOr<v1::InitialiserKind> kind = DefaultInitialiser(*spec);
  if (!flags.kind.empty()) {
    kind = Choose("--initialiser", TableOf<v1::InitialiserKind>(), flags.kind);
  }
  if (!kind.ok()) return kind.status();
  spec->mutable_initialiser()->set_kind(*kind);
  spec->mutable_initialiser()->set_seed(seed);
  spec->mutable_initialiser()->set_value(flags.value.value_or(0));
  return CheckValueIsRead(flags, *kind);
}

}  // namespace backprop::cli
