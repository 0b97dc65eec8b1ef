// SPDX-License-Identifier: Apache-2.0
//
// Predict and Evaluate where inputs and weights multiply beyond float32: no NaN
// and no infinity is answered as if it were a number.
#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"

namespace backprop::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr float kHuge = 3.4e38F;

class NonFiniteOutputTest : public ServiceTest {
 protected:
  // A layer after the other, each with all its weights 2 and its biases 0.
  std::string Make(v1::SessionSpec spec) {
    spec.clear_initialiser();
    return Create(
               With(spec,
                    "initialiser {kind: INITIALISER_KIND_CONSTANT value: 2}"))
        .session_id();
  }

  // What is answered, where anything is, goes to predicted_.
  grpc::Status Predict(const std::string& id,
                       const std::vector<float>& inputs) {
    return Call(&Stub::Predict, PredictionOf(id, inputs), &predicted_);
  }

  // The same, to evaluated_.
  grpc::Status Evaluate(const std::vector<v1::EvaluateRequest>& requests) {
    return EvaluateAll(requests, &evaluated_);
  }

  static void ExpectRefused(const grpc::Status& status, const char* field,
                            const char* row) {
    EXPECT_THAT(status, Fails(grpc::StatusCode::FAILED_PRECONDITION,
                              "NON_FINITE_OUTPUT"));
    EXPECT_THAT(Fields(status), ElementsAre(field));
    EXPECT_THAT(status.error_message(),
                AllOf(HasSubstr(row), HasSubstr("scale them down")));
  }

  v1::PredictResponse predicted_;
  v1::EvaluateResponse evaluated_;
};

TEST_F(NonFiniteOutputTest, PredictNamesTheRowAndTheOutput) {
  const std::string id = Make(Spec(2, {1}));
  ASSERT_TRUE(Predict(id, {1, 2, kHuge / 4, kHuge / 4}).ok());
  ExpectRefused(Predict(id, {1, 2, kHuge, 0}), "inputs",
                "row 1: output 0 is inf");
  ExpectRefused(Predict(id, {1, 2, 3, 4, 0, -kHuge}), "inputs",
                "row 2: output 0 is -inf");
  ExpectRefused(Predict(id, {kHuge, -kHuge}), "inputs", "row 0: output 0 is");

  auto typed = For<v1::PredictRequest>(id);
  for (const float value : {1.0F, 2.0F, kHuge, 0.0F}) typed.add_values(value);
  ExpectRefused(Try(&Stub::Predict, typed), "values", "row 1: output 0 is inf");
}

// Rows are counted over the turns that a long request takes.
TEST_F(NonFiniteOutputTest, TheRowIsTheRequestsNotTheTurns) {
  const std::string id = Make(Spec(1, {1}));
  std::vector<float> rows(300'000, 1);
  rows[299'998] = kHuge;
  ExpectRefused(Predict(id, rows), "inputs", "row 299998:");
  const std::vector<float> targets(300'000, 0);
  ExpectRefused(Evaluate({EvaluationOf(id, rows, targets)}), "inputs",
                "row 299998 (sample 299998 of the call)");
}

TEST_F(NonFiniteOutputTest, EvaluateCountsSamplesOverItsMessages) {
  const std::string id = Make(Spec(1, {1}));
  ExpectRefused(Evaluate({EvaluationOf(id, {1, 2, 3}, {0, 0, 0}),
                          EvaluationOf("", {4, kHuge, 5}, {0, 0, 0})}),
                "inputs", "row 1 (sample 4 of the call)");
}

TEST_F(NonFiniteOutputTest, SoftmaxOfAnInfiniteLogitIsRefused) {
  const std::string id = Make(With(Spec(1, {3}),
                                   "loss: LOSS_CROSS_ENTROPY "
                                   "layers {activation: ACTIVATION_SOFTMAX}"));
  ExpectRefused(Predict(id, {1, kHuge}), "inputs", "row 1: output 0 is nan");
  ExpectRefused(Evaluate({EvaluationOf(id, {kHuge}, {1, 0, 0})}), "inputs",
                "row 0");
}

// An error of its own: the output is a number, the loss of it is not.
TEST_F(NonFiniteOutputTest, ASaturatedOutputIsANumberWhoseErrorMayNotBe) {
  const std::string id = Make(With(Spec(1, {1}),
                                   "loss: LOSS_BINARY_CROSS_ENTROPY "
                                   "layers {activation: ACTIVATION_SIGMOID}"));
  ASSERT_TRUE(Predict(id, {kHuge}).ok());
  EXPECT_THAT(predicted_.outputs(), ElementsAre(1));
  ASSERT_TRUE(Evaluate({EvaluationOf(id, {kHuge}, {1})}).ok());
  EXPECT_EQ(evaluated_.error(), 0);
  ExpectRefused(Evaluate({EvaluationOf(id, {kHuge}, {0})}), "inputs", "row 0");
}

// A class weight of 0 takes the class's error away, not its output.
TEST_F(NonFiniteOutputTest, AClassWeightOfZeroHidesNoOutput) {
  const std::string id = Make(
      With(Spec(1, {2}), "loss: LOSS_CROSS_ENTROPY class_weights: [0, 1]"));
  ExpectRefused(Evaluate({EvaluationOf(id, {kHuge}, {1, 0})}), "inputs",
                "row 0");
}

TEST_F(NonFiniteOutputTest, NothingChangesAndTheCallsAreCounted) {
  const std::string id = Make(Spec(1, {1}));
  const uint64_t digest = Digest(id);
  ExpectRefused(Predict(id, {kHuge}), "inputs", "row 0");
  EXPECT_EQ(Digest(id), digest);
  EXPECT_EQ(Metric("backprop_rejections_total{reason=\"NON_FINITE_OUTPUT\"}"),
            1);
  ASSERT_TRUE(Predict(id, {1}).ok());
  EXPECT_THAT(predicted_.outputs(), ElementsAre(2));
}

}  // namespace
}  // namespace backprop::testing
