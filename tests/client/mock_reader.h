// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_TESTS_CLIENT_MOCK_READER_H_
#define BACKPROP_TESTS_CLIENT_MOCK_READER_H_

#include <gmock/gmock.h>
#include <grpcpp/test/mock_stream.h>

#include <memory>
#include <vector>

namespace backprop::testing {

template <class Response>
using MockReader =
    ::testing::NiceMock<grpc::testing::MockClientReader<Response>>;

// A call on which the server says these responses and then ends it.
template <class Response>
std::unique_ptr<MockReader<Response>> ReaderOf(
    const std::vector<Response>& responses,
    const grpc::Status& status = grpc::Status()) {
  auto reader = std::make_unique<MockReader<Response>>();
  auto& read = EXPECT_CALL(*reader, Read(::testing::_));
  for (const Response& response : responses) {
    read.WillOnce(::testing::DoAll(::testing::SetArgPointee<0>(response),
                                   ::testing::Return(true)));
  }
  read.WillRepeatedly(::testing::Return(false));
  ON_CALL(*reader, Finish()).WillByDefault(::testing::Return(status));
  return reader;
}

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_CLIENT_MOCK_READER_H_
