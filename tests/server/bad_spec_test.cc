// SPDX-License-Identifier: Apache-2.0
//
// Specs that CreateSession must refuse, each naming its field.
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <functional>

#include "tests/server/service_fixture.h"

namespace backprop::testing {
namespace {

using ::testing::Contains;

using BadSpecTest = ServiceTest;
BACKPROP_OVER_BOTH_TRANSPORTS(BadSpecTest);

struct BadSpec {
  const char* field;
  std::function<void(v1::SessionSpec&)> spoil;
};

size_t PagesOf(int column) {
  std::ifstream statm("/proc/self/statm");
  size_t pages = 0;
  for (int i = 0; i <= column; ++i) statm >> pages;
  return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

// Virtual memory: counts what is allocated, touched or not.
size_t VirtualBytes() { return PagesOf(0); }

TEST_P(BadSpecTest, EveryBadFieldIsNamed) {
  const auto rate = [](float value) {
    return [value](v1::SessionSpec& spec) {
      spec.mutable_optimiser()->set_learning_rate(value);
    };
  };
  const std::vector<BadSpec> bad = {
      {"spec.input_size", [](auto& s) { s.set_input_size(0); }},
      {"spec.layers", [](auto& s) { s.clear_layers(); }},
      {"spec.layers[0].size",
       [](auto& s) { s.mutable_layers(0)->set_size(0); }},
      {"spec.layers[0].activation",
       [](auto& s) {
         s.mutable_layers(0)->set_activation(v1::ACTIVATION_SOFTMAX);
         s.set_loss(v1::LOSS_CROSS_ENTROPY);
       }},
      {"spec.layers[1].activation",
       [](auto& s) {
         s.mutable_layers(1)->set_activation(static_cast<v1::Activation>(77));
       }},
      {"spec.layers[1].activation",
       [](auto& s) {
         s.mutable_layers(1)->set_activation(v1::ACTIVATION_SOFTMAX);
       }},
      {"spec.layers[1].activation",
       [](auto& s) {
         s.mutable_layers(1)->set_activation(v1::ACTIVATION_TANH);
         s.set_loss(v1::LOSS_CROSS_ENTROPY);
       }},
      {"spec.loss", [](auto& s) { s.set_loss(static_cast<v1::Loss>(-1)); }},
      {"spec.optimiser", [](auto& s) { s.clear_optimiser(); }},
      {"spec.optimiser.learning_rate", rate(0)},
      {"spec.optimiser.learning_rate", rate(-0.1F)},
      {"spec.optimiser.learning_rate", rate(NAN)},
      {"spec.optimiser.learning_rate", rate(INFINITY)},
      {"spec.initialiser.kind",
       [](auto& s) {
         s.mutable_initialiser()->set_kind(
             static_cast<v1::InitialiserKind>(99));
       }},
      {"spec.input.element_type",
       [](auto& s) {
         s.mutable_input()->set_element_type(static_cast<v1::ElementType>(9));
       }},
      {"spec.input.scale", [](auto& s) { s.mutable_input()->set_scale(NAN); }},
      {"spec.input.scale",
       [](auto& s) { s.mutable_input()->set_scale(INFINITY); }},
      {"spec.batch_size", [](auto& s) { s.set_batch_size(0xffffffff); }},
  };
  for (const BadSpec& entry : bad) {
    v1::SessionSpec spec = Spec(3, {2, 1});
    entry.spoil(spec);
    const grpc::Status status = TryCreate(spec);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
        << entry.field;
    EXPECT_EQ(Reason(status), "INVALID_REQUEST");
    EXPECT_THAT(Fields(status), Contains(entry.field));
  }
}

TEST_P(BadSpecTest, ARequestWithoutSpecIsRefused) {
  v1::CreateSessionResponse response;
  const grpc::Status status =
      Call(&Stub::CreateSession, v1::CreateSessionRequest(), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_FALSE(Fields(status).empty());
}

TEST_P(BadSpecTest, SeveralBadFieldsAreAllNamed) {
  v1::SessionSpec spec = Spec(3, {2, 1});
  spec.set_input_size(0);
  spec.clear_optimiser();
  EXPECT_THAT(
      Fields(TryCreate(spec)),
      ::testing::UnorderedElementsAre("spec.input_size", "spec.optimiser"));
}

TEST_P(BadSpecTest, ShapesWhoseProductOverflowsAreRefusedBeforeAllocating) {
  TryCreate(Spec(0, {1}));  // warms the transport up
  const size_t before = VirtualBytes();
  const uint32_t most = 0xffffffff;
  for (const v1::SessionSpec& spec :
       {Spec(most, {most}), Spec(most, {most, most, most}),
        Spec(0x80000000, {0x80000000, 2}), Spec(1, {most, 1}),
        Spec(0x10000, {0x10000, 0x10000})}) {
    const grpc::Status status = TryCreate(spec);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
        << spec.ShortDebugString();
    EXPECT_THAT(Fields(status), Contains("spec.layers"));
  }
  // A few new threads' stacks are allowed for; the smallest net above would be
  // 16 GiB.
  EXPECT_LT(VirtualBytes(), before + (size_t{1} << 30));
}

TEST_P(BadSpecTest, ManyLayersWhoseSumOverflowsAreRefused) {
  v1::SessionSpec spec = Spec(0xffffffff, {0xffffffff});
  for (int i = 0; i < 1000; ++i) {
    spec.add_layers()->set_size(0xffffffff);
  }
  EXPECT_EQ(TryCreate(spec).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

// A layer without size takes two bytes on the wire; each would be a violation.
TEST_P(BadSpecTest, AMillionEmptyLayersAreOneViolation) {
  v1::SessionSpec spec = Spec(3, {1});
  for (int i = 0; i < 1'000'000; ++i) spec.add_layers();
  EXPECT_THAT(Fields(TryCreate(spec)), Contains("spec.layers"));
  spec = Spec(1, {1});
  while (spec.layers_size() < 1024) spec.add_layers()->set_size(1);
  EXPECT_TRUE(TryCreate(spec).ok());
  spec.add_layers()->set_size(1);
  EXPECT_THAT(Fields(TryCreate(spec)), ::testing::ElementsAre("spec.layers"));
}

TEST_P(BadSpecTest, WeightsAboveTheSessionLimitAreRefused) {
  ServerOptions options = SmallLimits();
  options.max_session_weights = 90;
  StartServer(options);
  EXPECT_TRUE(TryCreate(Spec(9, {9})).ok());
  const grpc::Status status = TryCreate(Spec(10, {9}));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(),
              ::testing::HasSubstr("--max-session-weights"));
}

TEST_P(BadSpecTest, AHugeBatchOfAHugeRowIsRefused) {
  // batch_size · input_size · 4 bytes could never fit into one message.
  v1::SessionSpec spec = Spec(1u << 20, {1});
  spec.set_batch_size(1u << 20);
  const grpc::Status status = TryCreate(spec);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(Fields(status), Contains("spec.batch_size"));
}

}  // namespace
}  // namespace backprop::testing
