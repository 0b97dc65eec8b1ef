// SPDX-License-Identifier: Apache-2.0
//
// The constants that are made from ErrorReason's text against its descriptor.
#include "backprop/v1/error_reasons.h"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <iterator>
#include <string>

#include "backprop/v1/options.pb.h"
#include "backprop/v1/training_service.pb.h"
#include "server/sessions/rejection.h"

namespace backprop::testing {
namespace {

TEST(ErrorReasonsTest, AreTheProtocolsWithTheirCodes) {
  const google::protobuf::EnumDescriptor& values =
      *v1::ErrorReason_descriptor();
  ASSERT_EQ(static_cast<size_t>(values.value_count()),
            std::size(kErrorReasons) + 1);
  for (int i = 1; i < values.value_count(); ++i) {  // 0 is never sent
    const ErrorReason& reason = kErrorReasons[i - 1];
    const google::protobuf::EnumValueDescriptor& value = *values.value(i);
    EXPECT_EQ("ERROR_REASON_" + std::string(reason.name), value.name());
    EXPECT_EQ(absl::StatusCodeToString(reason.code),
              value.options().GetExtension(v1::code))
        << value.name();
  }
}

TEST(ErrorReasonsTest, ARejectionHasTheReasonsCodeAndName) {
  for (const ErrorReason& reason : kErrorReasons) {
    const absl::Status status = Rejection(reason, "because");
    EXPECT_EQ(status.code(), reason.code);
    EXPECT_EQ(ReasonOf(status), reason.name);
    EXPECT_EQ(status.message(), "because");
  }
  EXPECT_EQ(kOffsetGap.name, "OFFSET_GAP");
  EXPECT_EQ(kOffsetGap.code, absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace backprop::testing
