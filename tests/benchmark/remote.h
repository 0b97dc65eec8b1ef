// SPDX-License-Identifier: Apache-2.0
//
// A backpropd process with sessions for benchmarks, and messages for them. What
// fails throws, so that no process is left behind.
#ifndef BACKPROP_TESTS_BENCHMARK_REMOTE_H_
#define BACKPROP_TESTS_BENCHMARK_REMOTE_H_

#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backprop/v1/training_service.grpc.pb.h"
#include "tests/server_process.h"

namespace backprop::testing {

// Throws std::runtime_error unless ok.
void Require(bool ok, const std::string& what);

// What main returns: 1, having said what was thrown, or 0.
int RunBenchmark(const std::function<void()>& run);

std::unique_ptr<ServerProcess> StartServer(
    const std::string& program, const std::vector<std::string>& arguments);
std::unique_ptr<ServerProcess> StartBackpropd(const std::string& program);

// What such a process says that it computes with: "OpenBLAS 0.3.34 SkylakeX".
std::string KernelsOf(const std::string& backpropd);

std::shared_ptr<grpc::Channel> Connect(const ServerProcess& process);

// sizes: inputs, then each layer's outputs. ReLU within, softmax with
// cross-entropy at the end, SGD, one sample a step; uint8 inputs scaled by
// 1/255, or float32 ones.
v1::SessionSpec ClassifierSpec(const std::vector<uint32_t>& sizes,
                               v1::ElementType inputs);

v1::Session CreateSession(v1::TrainingService::Stub& stub,
                          const v1::SessionSpec& spec);

// n samples for such a session, a fifth of the inputs not zero.
v1::TrainRequest TrainMessage(const v1::SessionSpec& spec, size_t n);

// A stream's first message.
std::string OpeningMessage(const std::string& session_id,
                           const v1::TrainOptions& options);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_BENCHMARK_REMOTE_H_
