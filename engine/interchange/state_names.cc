// SPDX-License-Identifier: Apache-2.0
#include "engine/interchange/state_names.h"

#include <array>
#include <string_view>

namespace backprop {
namespace {

template <size_t kCount>
using Names = std::array<std::string_view, kCount>;

// One for each rule: a rule without does not compile.
constexpr Names<0> NamesOf(rules::None) { return {}; }
constexpr Names<0> NamesOf(rules::Sgd) { return {}; }
constexpr Names<1> NamesOf(rules::Momentum) { return {"momentum_buffer"}; }
constexpr Names<1> NamesOf(rules::Nesterov) { return {"momentum_buffer"}; }
constexpr Names<1> NamesOf(rules::Adagrad) { return {"sum"}; }
constexpr Names<1> NamesOf(rules::RmsProp) { return {"square_avg"}; }
constexpr Names<2> NamesOf(rules::Adam) { return {"exp_avg", "exp_avg_sq"}; }
constexpr Names<1> NamesOf(rules::Lion) { return {"exp_avg"}; }

}  // namespace

std::vector<std::string> StateNames(Rule rule) {
  return ForRule(rule, [](auto r) {
    constexpr auto kNames = NamesOf(decltype(r)());
    static_assert(kNames.size() == decltype(r)::kState.size());
    return std::vector<std::string>(kNames.begin(), kNames.end());
  });
}

}  // namespace backprop
