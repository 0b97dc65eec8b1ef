// SPDX-License-Identifier: Apache-2.0
//
// A stub whose calls a test expects. Made in a file of its own: a file that
// makes one spends 8 s on the code of every method.
#ifndef BACKPROP_TESTS_CLIENT_MOCK_STUB_H_
#define BACKPROP_TESTS_CLIENT_MOCK_STUB_H_

#include <gmock/gmock.h>

#include <memory>

#include "backprop/v1/training_service_mock.grpc.pb.h"

namespace backprop::testing {

// Calls that no test expects are answered with an empty message.
using MockStub = ::testing::NiceMock<v1::MockTrainingServiceStub>;

std::shared_ptr<MockStub> NewMockStub();

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_CLIENT_MOCK_STUB_H_
