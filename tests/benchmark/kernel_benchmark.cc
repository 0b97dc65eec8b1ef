// SPDX-License-Identifier: Apache-2.0
//
// The engine's kernels alone; the layer products beside a single OpenBLAS call:
// flops a second at layers' sizes. Arguments: samples, outputs, inputs.
#include <benchmark/benchmark.h>

#include <vector>

#include "engine/kernels/blas.h"
#include "engine/kernels/layer_product.h"
#include "engine/kernels/rank_update.h"
#include "engine/kernels/scratch.h"
#include "engine/network/activation.h"
#include "tests/benchmark/own_kernels.h"

namespace backprop::testing {
namespace {

struct Layer {
  explicit Layer(const benchmark::State& state)
      : samples(static_cast<size_t>(state.range(0))),
        outputs(static_cast<size_t>(state.range(1))),
        inputs(static_cast<size_t>(state.range(2))),
        w(outputs * inputs, 0.5F),
        bias(outputs),
        a(samples * inputs, 0.25F),
        u(samples * outputs, 1e-6F) {}

  void Report(benchmark::State& state) const {
    state.counters["flops"] = benchmark::Counter(
        2.0 * static_cast<double>(samples * outputs * inputs),
        benchmark::Counter::kIsIterationInvariantRate,
        benchmark::Counter::kIs1000);
  }

  Matrix matrix() const { return {w.data(), outputs, inputs}; }

  size_t samples, outputs, inputs;
  std::vector<float> w, bias, a, u;
  Scratch scratch;
};

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({32, 128, 784})->Args({8, 512, 512})->Args({64, 4096, 4096});
}

void BM_Forward(benchmark::State& state) {
  Layer layer(state);
  for (auto _ : state) {
    Forward({layer.a.data(), layer.inputs}, layer.samples, layer.matrix(),
            layer.bias.data(), {layer.u.data(), layer.outputs});
  }
  layer.Report(state);
}
BENCHMARK(BM_Forward)->Apply(Sizes);

void BM_ForwardOneCall(benchmark::State& state) {
  Layer layer(state);
  for (auto _ : state) {
    blas::Multiply(layer.samples, layer.outputs, layer.inputs, 1,
                   {layer.a.data(), layer.inputs},
                   {layer.w.data(), layer.inputs, blas::Op::kTransposed}, 0,
                   layer.u.data(), layer.outputs);
  }
  layer.Report(state);
}
BENCHMARK(BM_ForwardOneCall)->Apply(Sizes);

void BM_Backward(benchmark::State& state) {
  Layer layer(state);
  for (auto _ : state) {
    Backward({layer.u.data(), layer.outputs}, layer.samples, layer.matrix(),
             {layer.a.data(), layer.inputs});
  }
  layer.Report(state);
}
BENCHMARK(BM_Backward)->Apply(Sizes);

void BM_BackwardOneCall(benchmark::State& state) {
  Layer layer(state);
  for (auto _ : state) {
    blas::Multiply(layer.samples, layer.inputs, layer.outputs, 1,
                   {layer.u.data(), layer.outputs},
                   {layer.w.data(), layer.inputs}, 0, layer.a.data(),
                   layer.inputs);
  }
  layer.Report(state);
}
BENCHMARK(BM_BackwardOneCall)->Apply(Sizes);

void BM_ApplySteps(benchmark::State& state) {
  Layer layer(state);
  for (auto _ : state) {
    ApplySteps({{layer.u.data(), layer.outputs},
                {layer.a.data(), layer.inputs},
                layer.samples,
                layer.outputs,
                layer.inputs},
               layer.w.data(), layer.bias.data(), layer.scratch);
  }
  layer.Report(state);
}
BENCHMARK(BM_ApplySteps)->Apply(Sizes);

void BM_Sigmoid(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  const std::vector<float> z(size, 0.7F);
  std::vector<float> a(size);
  const LayerSpec layer{.size = size, .activation = Activation::kSigmoid};
  for (auto _ : state) {
    benchmark::DoNotOptimize(ActivateAndFlush(layer, z.data(), a.data(), size));
  }
  state.SetItemsProcessed(static_cast<int64_t>(size) *
                          static_cast<int64_t>(state.iterations()));
}
BENCHMARK(BM_Sigmoid)->Arg(128)->Arg(512);

}  // namespace
}  // namespace backprop::testing

int main(int argc, char** argv) {
  backprop::testing::LetOpenBlasChoose(argv);
  benchmark::AddCustomContext("kernels", backprop::testing::OpenBlasKernels());
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
