// SPDX-License-Identifier: Apache-2.0
//
// Why a call did not get through to a backpropd. gRPC says it in words of its
// own, which change from version to version ("Ssl handshake failed:
// SSL_ERROR_SSL: error:0A000086:…"); here they become what a user can act on.
#ifndef BACKPROP_CLIENT_CPP_CONNECTION_FAULT_H_
#define BACKPROP_CLIENT_CPP_CONNECTION_FAULT_H_

#include <string>

namespace backprop {

enum class ConnectionFault {
  kNone,           // none that is known here
  kNobodyAnswers,  // no machine is there, or nothing that listens
  kUnknownName,    // the address' host is in no name service
  kUntrusted,      // no trusted authority vouches for the server's certificate
  kWrongName,      // the server's certificate is for another name
  kNoTls,          // the client speaks TLS, the server does not
  kHttp1,      // the server answers in HTTP/1: a TLS port, or no gRPC at all
  kClosed,     // the server takes the connection and closes it
  kTlsFiles,   // TLS cannot be set up with the client's own files
  kRefused,    // a proxy answers that the call may not pass (401, 403)
  kNoRoute,    // a proxy answers that it knows no such place (404)
  kTooLarge,   // a proxy answers that the message is too large (413)
  kNoBackend,  // a proxy answers that it reaches no server (502, 503, 504)
  kCut,        // a stream was reset from outside
};

// text: grpc::Status::error_message() of a call that did not succeed, and
// that no backpropd answered.
ConnectionFault ConnectionFaultIn(const std::string& text);

// What the fault means, as a clause, e.g. "nobody answers at that address";
// empty for kNone.
std::string MeaningOf(ConnectionFault fault);

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_CONNECTION_FAULT_H_
