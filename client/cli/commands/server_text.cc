// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/server_text.h"

#include "client/cli/text/number_text.h"
#include "client/cli/text/time_text.h"

namespace backprop::cli {

std::vector<std::pair<std::string, std::string>> ServerSettings(
    const std::string& address, const v1::GetServerInfoResponse& server) {
  const v1::ComputeInfo& compute = server.compute();
  return {{"address", address},
          {"version", server.version()},
          {"gRPC", server.grpc_version()},
          {"started", TimeText(server.start_time().seconds(), kWholeMoment)},
          {"compute threads", Grouped(compute.threads())},
          {"vector instructions", compute.instruction_set()},
          {"matrix products", compute.blas()},
          {"kernels for", compute.blas_kernels()}};
}

}  // namespace backprop::cli
