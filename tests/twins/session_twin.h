// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_TESTS_TWINS_SESSION_TWIN_H_
#define BACKPROP_TESTS_TWINS_SESSION_TWIN_H_

#include "backprop/v1/training_service.pb.h"
#include "tests/twins/contract_twin.h"

namespace backprop::testing {

// What the contract's twin has to know of a session, as the server describes
// it.
TwinSession TwinSessionOf(const v1::Session& session);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_TWINS_SESSION_TWIN_H_
