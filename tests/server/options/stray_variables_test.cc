// SPDX-License-Identifier: Apache-2.0
#include "server/options/stray_variables.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace backprop {
namespace {

const std::vector<std::string> kKnown = {
    "BACKPROPD_MAX_SESSIONS", "BACKPROPD_MAX_SESSION_WEIGHTS",
    "BACKPROPD_LOG_LEVEL", "BACKPROPD_GRPC_ADDRESS"};

// "name>nearest" of each.
std::vector<std::string> Found(std::vector<const char*> environment) {
  environment.push_back(nullptr);
  std::vector<std::string> found;
  for (const StrayVariable& each : StrayVariables(environment.data(), kKnown)) {
    found.push_back(each.name + ">" + each.nearest);
  }
  return found;
}

using Names = std::vector<std::string>;

TEST(StrayVariablesTest, TheNearestIsTheOneThatWasMeant) {
  EXPECT_EQ(Found({"BACKPROPD_MAX_SESION=5"}),
            Names{"BACKPROPD_MAX_SESION>BACKPROPD_MAX_SESSIONS"});
  EXPECT_EQ(Found({"BACKPROPD_SESSION_WEIGHTS=5"}),
            Names{"BACKPROPD_SESSION_WEIGHTS>BACKPROPD_MAX_SESSION_WEIGHTS"});
  EXPECT_EQ(Found({"BACKPROPD_LOGLEVEL=debug"}),
            Names{"BACKPROPD_LOGLEVEL>BACKPROPD_LOG_LEVEL"});
  EXPECT_EQ(Found({"backpropd_log_level=debug"}),
            Names{"backpropd_log_level>BACKPROPD_LOG_LEVEL"});
}

TEST(StrayVariablesTest, WhatResemblesNothingHasNoNearest) {
  EXPECT_EQ(Found({"BACKPROPD_COLOUR=red"}), Names{"BACKPROPD_COLOUR>"});
}

TEST(StrayVariablesTest, KnownEmptyAndForeignOnesAreLeftOut) {
  EXPECT_EQ(Found({"BACKPROPD_MAX_SESSIONS=5", "BACKPROPD_MAX_SESION=",
                   "BACKPROP_MAX_SESION=5", "PATH=/bin", "=x", "odd"}),
            Names{});
}

// kubectl create service … backpropd, then env in any pod beside it.
TEST(StrayVariablesTest, WhatAServicesNameMakesIsLeftOut) {
  EXPECT_EQ(
      Found({"BACKPROPD_SERVICE_HOST=10.0.0.1", "BACKPROPD_SERVICE_PORT=50051",
             "BACKPROPD_SERVICE_PORT_GRPC=50051",
             "BACKPROPD_PORT=tcp://10.0.0.1:50051",
             "BACKPROPD_PORT_50051_TCP=tcp://10.0.0.1:50051",
             "BACKPROPD_PORT_50051_TCP_ADDR=10.0.0.1"}),
      Names{});
}

TEST(StrayVariablesTest, TheyComeSorted) {
  EXPECT_EQ(Found({"BACKPROPD_Z=1", "BACKPROPD_A=1"}),
            (Names{"BACKPROPD_A>", "BACKPROPD_Z>"}));
}

}  // namespace
}  // namespace backprop
