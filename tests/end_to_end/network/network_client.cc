// SPDX-License-Identifier: Apache-2.0
//
// network_client ADDRESS SESSION_ID SEED SILENCE_MS: trains the session through
// a network that fails, until stdin ends; what it found it prints as one line
// of JSON. Its samples are those of traffic.py.
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "client/cpp/connection.h"
#include "client/cpp/resuming_train_stream.h"
#include "client/cpp/training_client.h"

namespace backprop::testing {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kInputs = 12;
constexpr uint64_t kColumns = 16;
constexpr uint64_t kLongestMessage = 6;  // steps

[[noreturn]] void Fail(const std::string& text) {
  std::cerr << "network_client: " << text << std::endl;
  std::_Exit(1);
}

// splitmix64 of where a number stands, in [-0.5, 0.5).
float NumberAt(uint64_t seed, uint64_t place) {
  uint64_t mixed = (place + (seed << 32) + 1) * 0x9E3779B97F4A7C15;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
  mixed ^= mixed >> 31;
  return static_cast<float>(mixed >> 40) * 0x1p-24F - 0.5F;
}

void Append(float number, std::string* bytes) {
  std::array<char, sizeof number> raw{};
  std::memcpy(raw.data(), &number, sizeof number);
  bytes->append(raw.data(), raw.size());
}

v1::TrainRequest Samples(uint64_t seed, uint64_t offset, uint64_t count) {
  v1::TrainRequest request;
  for (uint64_t row = offset; row < offset + count; ++row) {
    for (uint64_t column = 0; column < kColumns; ++column) {
      Append(NumberAt(seed, row * kColumns + column),
             column < kInputs ? request.mutable_inputs()
                              : request.mutable_targets());
    }
  }
  return request;
}

bool SaysEnough() {
  pollfd standard_input{STDIN_FILENO, POLLIN, 0};
  return poll(&standard_input, 1, 0) > 0;
}

std::shared_ptr<grpc::Channel> Connect(const std::string& address,
                                       milliseconds silence) {
  grpc::ChannelArguments arguments = DefaultChannelArguments(silence, silence);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                   static_cast<int>(silence.count()));
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(),
                                   arguments);
}

// Sends until it is enough. The number of samples.
uint64_t SendAll(uint64_t seed, uint64_t batch, ResumingTrainStream& stream) {
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<uint64_t> steps(1, kLongestMessage);
  std::uniform_int_distribution<int> pause(0, 8);
  uint64_t sent = 0;
  while (!SaysEnough()) {
    const uint64_t count = steps(random) * batch;
    if (!stream.Send(Samples(seed, sent, count))) break;
    sent += count;
    std::this_thread::sleep_for(milliseconds(pause(random)));
  }
  v1::TrainRequest last = Samples(seed, sent, batch);
  last.set_when_durable(true);
  if (stream.Send(std::move(last))) sent += batch;
  stream.CloseSending();
  return sent;
}

// Reads to the end, and demands that each message is answered once, in order.
void ReadAll(ResumingTrainStream& stream) {
  uint64_t number = 0;
  bool done = true;
  TrainAnswer answer;
  while (stream.Next(&answer)) {
    const v1::TrainResponse& response = answer.response;
    if (answer.request == nullptr) continue;
    if (response.has_rejection()) Fail(response.rejection().message());
    if (response.message_number() != number + (done ? 1 : 0)) {
      Fail("an answer is not to the message that was due");
    }
    number = response.message_number();
    done = response.message_done();
  }
  const absl::Status status = stream.Finish();
  if (!status.ok()) Fail(status.ToString());
}

int Run(char** arguments) {
  const uint64_t seed = std::stoull(arguments[3]);
  TrainingClient client(
      Connect(arguments[1], milliseconds(std::stoi(arguments[4]))));
  absl::StatusOr<v1::Session> session = client.GetSession(arguments[2]);
  if (!session.ok()) Fail(session.status().ToString());
  uint64_t resumes = 0;
  ResumingTrainOptions options;
  options.with_replica = true;
  options.retry.longest = milliseconds(200);
  options.on_resume = [&resumes](const Resumption&) { ++resumes; };
  auto stream = ResumingTrainStream::Open(client, *session, options);
  if (!stream.ok()) Fail(stream.status().ToString());
  uint64_t sent = 0;
  std::thread sender(
      [&] { sent = SendAll(seed, session->spec().batch_size(), **stream); });
  ReadAll(**stream);
  sender.join();
  const Replica& replica = *(*stream)->replica();
  std::cout << "{\"sent\": " << sent << ", \"resumes\": " << resumes
            << ", \"step\": " << replica.step()
            << ", \"digest\": " << replica.digest() << "}" << std::endl;
  return 0;
}

}  // namespace
}  // namespace backprop::testing

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: network_client ADDRESS SESSION_ID SEED SILENCE_MS\n";
    return 2;
  }
  return backprop::testing::Run(argv);
}
