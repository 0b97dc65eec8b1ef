// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_TESTS_BENCHMARK_BYTE_STREAM_H_
#define BACKPROP_TESTS_BENCHMARK_BYTE_STREAM_H_

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace backprop::testing {

// A bidirectional stream of ready-made bytes, the same for backpropd and for
// the echo: what differs between two measurements is the server alone.
class ByteStream final
    : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  // method: "/package.Service/Method".
  ByteStream(const std::shared_ptr<grpc::Channel>& channel,
             const std::string& method);
  // Half-closes and waits for the end.
  ~ByteStream() override;

  // Sends `messages` copies of `message`, at most `window` of them unanswered
  // at a time, and returns when all are answered. Answers are counted by
  // TrainResponse.message_done and message_number. Returns false if the stream
  // broke.
  bool Send(const std::string& message, size_t messages, size_t window);

  // Size of the last answer, in bytes.
  size_t answer_bytes() const { return answer_bytes_; }

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;
  void WriteMore();  // REQUIRES: mutex_ held

  grpc::ClientContext context_;
  grpc::GenericStub stub_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  std::vector<grpc::Slice> slices_;  // of response_; owned by OnReadDone
  uint64_t last_number_ = 0;         // likewise: the last message answered

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  size_t to_write_ = 0;
  size_t to_answer_ = 0;
  size_t unanswered_ = 0;
  size_t window_ = 0;
  size_t answer_bytes_ = 0;
  bool writing_ = false;
  bool broken_ = false;
  bool done_ = false;
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_BENCHMARK_BYTE_STREAM_H_
