// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_OPS_METRICS_RPC_RECORD_H_
#define BACKPROP_SERVER_OPS_METRICS_RPC_RECORD_H_

namespace backprop {

enum class RpcType { kUnary, kClientStream, kServerStream, kBidiStream };

// What is measured of the RPCs of one method.
class RpcRecord {
 public:
  virtual ~RpcRecord() = default;
  virtual void Started() = 0;
  virtual void MessageReceived() = 0;
  virtual void MessageSent() = 0;
  // code: gRPC's numeric status code.
  virtual void Handled(int code, double seconds) = 0;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPS_METRICS_RPC_RECORD_H_
