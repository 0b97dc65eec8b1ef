// SPDX-License-Identifier: Apache-2.0
#include "tests/server/spec_text.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

namespace backprop::testing {

v1::SessionSpec With(v1::SessionSpec spec, const std::string& text) {
  const auto layers = spec.layers();
  spec.clear_layers();
  EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(text, &spec))
      << text;
  for (int k = 0; k < layers.size(); ++k) {
    v1::Layer layer = layers[k];
    if (k == spec.layers_size()) spec.add_layers();
    layer.MergeFrom(spec.layers(k));
    *spec.mutable_layers(k) = layer;
  }
  return spec;
}

}  // namespace backprop::testing
