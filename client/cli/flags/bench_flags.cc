// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/bench_flags.h"

#include <limits>

#include "client/cli/flags/command.h"

namespace backprop::cli {
namespace {

// As `backprop train --images` sends them.
constexpr uint32_t kPixels = 784;
constexpr uint32_t kDigits = 10;

constexpr float kLongestMeasurement = 3600;

}  // namespace

void AddBenchFlags(Command& command, BenchFlags* flags) {
  command
      .add_option("--seconds", flags->seconds,
                  "For how long to measure, all rows together")
      ->check(NumberBetween(1, kLongestMeasurement))
      ->type_name("SECONDS")
      ->capture_default_str();
  command
      .add_option("--input-size", flags->input_size,
                  "Length of an input row [784, with --bytes, as images are]")
      ->check(WholeNumber(1, std::numeric_limits<uint32_t>::max()))
      ->type_name("COUNT");
  command.add_flag("--bytes", flags->bytes,
                   "Inputs travel as unsigned bytes, not as floats");
  flags->spec.name = "backprop bench";
  AddSpecFlags(command, &flags->spec,
               {.has_data = false,
                .seed = "Seed of initial weights, dropout and the samples"});
}

absl::StatusOr<v1::SessionSpec> MakeBenchSpec(const BenchFlags& flags) {
  const bool images = flags.input_size == 0;
  DataShape data;
  data.input_size = images ? kPixels : flags.input_size;
  data.output_size = kDigits;
  data.format.set_element_type(images || flags.bytes
                                   ? v1::ELEMENT_TYPE_UINT8
                                   : v1::ELEMENT_TYPE_FLOAT32);
  data.format.set_scale(images || flags.bytes ? 1.0F / 255 : 1);
  return MakeSpec(flags.spec, data);
}

}  // namespace backprop::cli
