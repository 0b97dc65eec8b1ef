// SPDX-License-Identifier: Apache-2.0
//
// The far end of one HTTP/2 connection that answers nothing but pings: a proxy
// on whose other side nobody trains. RFC 9113, by hand, for no library that
// speaks gRPC counts its peer's pings.
#ifndef BACKPROP_TESTS_CLIENT_CPP_HTTP2_PEER_H_
#define BACKPROP_TESTS_CLIENT_CPP_HTTP2_PEER_H_

#include <atomic>
#include <string>
#include <thread>

namespace backprop::testing {

class Http2Peer {
 public:
  // Listens on a free port of the loopback; aborts where it cannot.
  Http2Peer();
  // Closes the connection.
  ~Http2Peer();
  Http2Peer(const Http2Peer&) = delete;
  Http2Peer& operator=(const Http2Peer&) = delete;

  std::string address() const;
  int pings() const { return pings_; }

 private:
  void Serve();

  const int listener_;
  std::atomic<int> pings_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_CLIENT_CPP_HTTP2_PEER_H_
