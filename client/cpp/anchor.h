// SPDX-License-Identifier: Apache-2.0
//
// What DownloadWeights gives, what a Replica starts from, and what
// RestoreSession puts a session back from.
#ifndef BACKPROP_CLIENT_CPP_ANCHOR_H_
#define BACKPROP_CLIENT_CPP_ANCHOR_H_

#include <cstdint>
#include <vector>

#include "backprop/v1/training_service.pb.h"

namespace backprop {

// All weights of a session as they were after one step, and what else a replica
// goes on from. With the optimiser's state it is all that the session is, and
// can put it back.
struct Anchor {
  uint64_t step = 0;
  uint64_t next_offset = 0;         // offset of the next sample at that step
  uint64_t digest = 0;              // of `weights`, checked when downloaded;
                                    // 0: not known
  std::vector<float> weights = {};  // (weight_count), layout order
  // The optimiser's, (state_count, weight_count); empty if it was not asked
  // for.
  std::vector<float> state = {};
  // Input standardisation, (input_size) each; empty if the session has none or
  // has not learnt it yet.
  std::vector<float> mean = {};
  std::vector<float> factor = {};
  // The session's effective spec at that step, and what its next steps depend
  // on besides: nothing that has to be understood to be kept and given back.
  v1::SessionSpec spec = {};
  v1::Continuation continuation = {};
  // A newer server said more of it than is kept here, spec and continuation
  // apart: a session can't be put back from this as it was.
  bool has_more = false;
};

// What CreateSession takes as `initial`.
v1::Anchor AnchorMessage(const Anchor& anchor);

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_ANCHOR_H_
