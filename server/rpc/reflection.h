// SPDX-License-Identifier: Apache-2.0
//
// gRPC server reflection v1. gRPC 1.51's own plugin serves v1alpha only, and
// newer clients ask for v1 first; both may be registered side by side.
#ifndef BACKPROP_SERVER_RPC_REFLECTION_H_
#define BACKPROP_SERVER_RPC_REFLECTION_H_

#include <grpcpp/impl/service_type.h>

#include <memory>
#include <string>
#include <vector>

namespace backprop {

// service_names: what list_services answers, full names. Files and symbols are
// those of every protobuf file that is linked in. There are no extensions: a
// request for one is answered NOT_FOUND.
std::unique_ptr<grpc::Service> MakeReflectionService(
    std::vector<std::string> service_names);

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_REFLECTION_H_
