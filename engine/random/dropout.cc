// SPDX-License-Identifier: Apache-2.0
#include "engine/random/dropout.h"

#include <algorithm>
#include <array>

#include "engine/random/philox.h"

namespace backprop {

void DropoutFactors(const DropoutSite& site, float rate,
                    std::span<float> factors) {
  constexpr size_t kPart = 512;
  std::array<uint32_t, kPart> words;
  const PhiloxCounter start = {0, site.layer, static_cast<uint32_t>(site.step),
                               static_cast<uint32_t>(site.step >> 32)};
  const auto keep = static_cast<float>(1 / (1 - double{rate}));
  for (size_t begin = 0; begin < factors.size(); begin += kPart) {
    const size_t n = std::min(kPart, factors.size() - begin);
    PhiloxWords(start, PhiloxKeyOf(site.seed),
                site.sample * factors.size() + begin, {words.data(), n});
    for (size_t i = 0; i < n; ++i) {
      const float r = static_cast<float>(words[i] >> 8) * 0x1p-24F;  // exact
      factors[begin + i] = r < rate ? 0.0F : keep;
    }
  }
}

}  // namespace backprop
