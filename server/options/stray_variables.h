// SPDX-License-Identifier: Apache-2.0
//
// Environment variables that look like settings and are none.
//
// BACKPROPD_MAX_SESION=5 sets nothing, and nothing would say so: the operator
// believes in a limit that isn't there. Flags don't need this, a wrong one is
// refused; a variable can't be, because others put theirs into the same
// environment.
#ifndef BACKPROP_SERVER_OPTIONS_STRAY_VARIABLES_H_
#define BACKPROP_SERVER_OPTIONS_STRAY_VARIABLES_H_

#include <span>
#include <string>
#include <vector>

namespace backprop {

struct StrayVariable {
  std::string name;
  std::string nearest;  // of the known ones; empty: none resembles it
};

// Those of environment ("NAME=value", ends with nullptr, as environ) whose name
// begins with BACKPROPD_, in any case, and is not among known; sorted by name.
// Empty ones count as not set. Left out is what Kubernetes and Docker set for a
// service called backpropd: BACKPROPD_SERVICE_HOST, BACKPROPD_PORT and the
// like.
std::vector<StrayVariable> StrayVariables(const char* const* environment,
                                          std::span<const std::string> known);

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPTIONS_STRAY_VARIABLES_H_
