// SPDX-License-Identifier: Apache-2.0
#include "tests/client/mock_stub.h"

namespace backprop::testing {

std::shared_ptr<MockStub> NewMockStub() { return std::make_shared<MockStub>(); }

}  // namespace backprop::testing
