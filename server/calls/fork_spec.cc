// SPDX-License-Identifier: Apache-2.0
#include "server/calls/fork_spec.h"

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/sessions/rejection.h"
#include "server/translation/spec.h"

namespace backprop {
namespace {

using Violations = std::vector<FieldViolation>;

Violations CheckSizes(const NetworkSpec& fork, const NetworkSpec& origin) {
  Violations violations;
  if (fork.input_size != origin.input_size) {
    violations.push_back(
        {"spec.input_size",
         absl::StrCat("is ", fork.input_size, "; must be the origin's ",
                      origin.input_size)});
  }
  if (fork.layers.size() != origin.layers.size()) {
    violations.push_back(
        {"spec.layers", absl::StrCat("holds ", fork.layers.size(),
                                     "; must hold as many as the origin, ",
                                     origin.layers.size())});
    return violations;
  }
  for (size_t k = 0; k < fork.layers.size(); ++k) {
    if (fork.layers[k].size == origin.layers[k].size) continue;
    violations.push_back(
        {absl::StrCat("spec.layers[", k, "].size"),
         absl::StrCat("is ", fork.layers[k].size, "; must be the origin's ",
                      origin.layers[k].size)});
  }
  return violations;
}

}  // namespace

absl::StatusOr<SessionSpec> ForkedSpec(const v1::CreateSessionRequest& request,
                                       const Session& origin) {
  const std::shared_ptr<const SessionSpec> original = origin.spec();
  if (!request.has_spec()) {
    SessionSpec spec = *original;
    spec.initialiser.reset();
    return spec;
  }
  auto spec = SpecFromProto(request.spec(), /*weights_given=*/true);
  if (!spec.ok()) return spec;
  Violations violations = CheckSizes(spec->network, original->network);
  if (request.fork().with_state() && !StateFits(spec->rule, original->rule)) {
    violations.push_back(
        {"spec.optimiser",
         "must have the origin's rule (layout.rule) to take over "
         "its state: leave fork.with_state out, or change "
         "it"});
  }
  if (!violations.empty()) return InvalidFields(violations);
  if (AwaitsStandardisation(*spec)) {
    spec->input.mean = original->input.mean;
    spec->input.factor = original->input.factor;
  }
  return spec;
}

}  // namespace backprop
