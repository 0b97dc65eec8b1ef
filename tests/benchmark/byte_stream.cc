// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmark/byte_stream.h"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace backprop::testing {
namespace {

// What a response begins with: TrainResponse's fields 1 and 2.
struct Head {
  uint64_t message_number = 0;
  bool message_done = false;
};

// A slice may end anywhere, even after one byte.
Head ReadHead(const std::vector<grpc::Slice>& slices) {
  uint8_t bytes[16];
  size_t size = 0;
  for (const grpc::Slice& slice : slices) {
    const size_t n = std::min(slice.size(), sizeof bytes - size);
    std::memcpy(bytes + size, slice.begin(), n);
    size += n;
    if (size == sizeof bytes) break;
  }
  google::protobuf::io::CodedInputStream in(bytes, static_cast<int>(size));
  Head head;
  uint64_t value = 0;
  uint32_t tag = in.ReadTag();
  if (tag == 8) {
    in.ReadVarint64(&head.message_number);
    tag = in.ReadTag();
  }
  head.message_done = tag == 16 && in.ReadVarint64(&value) && value == 1;
  return head;
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
  Head head;
  if (response_.Dump(&slices_).ok()) head = ReadHead(slices_);
  if (head.message_done) {
    // Merged responses answer several; an echo says 1 each time.
    const size_t answered = head.message_number > last_number_ + 1
                                ? head.message_number - last_number_
                                : 1;
    last_number_ = head.message_number;
    unanswered_ -= answered;
    to_answer_ -= answered;
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
