// SPDX-License-Identifier: Apache-2.0
//
// A stream of deltas that was recorded from a server: one file of
// proto/testdata, whose README describes the container.
#ifndef BACKPROP_TESTS_CLIENT_CPP_RECORDED_STREAM_H_
#define BACKPROP_TESTS_CLIENT_CPP_RECORDED_STREAM_H_

#include <filesystem>
#include <string>
#include <vector>

#include "backprop/v1/training_service.pb.h"
#include "client/cpp/anchor.h"

namespace backprop::testing {

struct RecordedStream {
  std::string name;
  v1::Session session;
  v1::GetWeightsResponse anchor;
  std::vector<v1::WatchDeltasResponse> responses;
  v1::GetWeightsResponse end;
};

// Both add a failure to the test where the bytes are nothing of the kind.
RecordedStream ReadStream(const std::filesystem::path& path);
Anchor AnchorOf(const v1::GetWeightsResponse& chunk);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_CLIENT_CPP_RECORDED_STREAM_H_
