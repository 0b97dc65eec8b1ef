// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmark/byte_stream.h"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace backprop::testing {
namespace {

// Reads TrainResponse.message_done, field 2, which follows message_number,
// field 1. A slice may end anywhere, even after one byte.
bool MessageDone(const std::vector<grpc::Slice>& slices) {
  uint8_t head[16];
  size_t size = 0;
  for (const grpc::Slice& slice : slices) {
    const size_t n = std::min(slice.size(), sizeof head - size);
    std::memcpy(head + size, slice.begin(), n);
    size += n;
    if (size == sizeof head) break;
  }
  google::protobuf::io::CodedInputStream in(head, static_cast<int>(size));
  uint64_t value = 0;
  uint32_t tag = in.ReadTag();
  if (tag == 8) {
    in.ReadVarint64(&value);
    tag = in.ReadTag();
  }
  return tag == 16 && in.ReadVarint64(&value) && value == 1;
}

}  // namespace

ByteStream::ByteStream(const std::shared_ptr<grpc::Channel>& channel,
                       const std::string& method)
    : stub_(channel) {
  stub_.PrepareBidiStreamingCall(&context_, method, {}, this);
  StartRead(&response_);
  AddHold();
  StartCall();
}

ByteStream::~ByteStream() {
  StartWritesDone();
  RemoveHold();
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, std::chrono::seconds(10),
                         [this] { return done_; })) {
    context_.TryCancel();
    changed_.wait(lock, [this] { return done_; });
  }
}

bool ByteStream::Send(const std::string& message, size_t messages,
                      size_t window) {
  const grpc::Slice slice(message);
  std::unique_lock lock(mutex_);
  request_ = grpc::ByteBuffer(&slice, 1);
  to_write_ = to_answer_ = messages;
  window_ = window;
  WriteMore();
  changed_.wait(lock, [this] { return broken_ || to_answer_ == 0; });
  return !broken_;
}

void ByteStream::OnReadDone(bool ok) {
  std::lock_guard lock(mutex_);
  if (!ok) {
    broken_ = true;
    changed_.notify_all();
    return;
  }
  answer_bytes_ = response_.Length();
  slices_.clear();
  if (response_.Dump(&slices_).ok() && MessageDone(slices_)) {
    --unanswered_;
    --to_answer_;
    WriteMore();
    if (to_answer_ == 0) changed_.notify_all();
  }
  StartRead(&response_);
}

void ByteStream::OnWriteDone(bool ok) {
  std::lock_guard lock(mutex_);
  writing_ = false;
  if (ok) WriteMore();
}

void ByteStream::OnDone(const grpc::Status& status) {
  if (!status.ok()) {
    std::fprintf(stderr, "stream ended: %s\n", status.error_message().c_str());
  }
  std::lock_guard lock(mutex_);
  broken_ = done_ = true;
  changed_.notify_all();
}

void ByteStream::WriteMore() {
  if (writing_ || to_write_ == 0 || unanswered_ >= window_) return;
  writing_ = true;
  --to_write_;
  ++unanswered_;
  StartWrite(&request_);
}

}  // namespace backprop::testing
