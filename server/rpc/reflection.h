// SPDX-License-Identifier: Apache-2.0
//
// gRPC server reflection, v1 and, for older clients, v1alpha: both are the same
// but for the package. gRPC 1.51's own plugin serves v1alpha only, leaves
// json_name out of its descriptors (so that clients show and take field names
// as protobuf's JSON does not), and lists services that it can't describe.
#ifndef BACKPROP_SERVER_RPC_REFLECTION_H_
#define BACKPROP_SERVER_RPC_REFLECTION_H_

#include <grpcpp/impl/service_type.h>

#include <memory>
#include <string>
#include <vector>

namespace backprop {

// service_names: what list_services answers, full names. Files, symbols and
// extensions are those of every protobuf file that is linked in; a service of
// which no file is, is listed but can't be described.
std::unique_ptr<grpc::Service> MakeReflectionService(
    std::vector<std::string> service_names);
std::unique_ptr<grpc::Service> MakeReflectionV1AlphaService(
    std::vector<std::string> service_names);

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_REFLECTION_H_
