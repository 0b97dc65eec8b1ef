// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_TESTS_SERVER_DURABLE_SERVICE_FIXTURE_H_
#define BACKPROP_TESTS_SERVER_DURABLE_SERVICE_FIXTURE_H_

#include <string>

#include "tests/server/service_fixture.h"
#include "tests/server/store/temporary_folder.h"

namespace backprop::testing {

// A ServiceTest whose server has a store.
class DurableServiceTest : public ServiceTest {
 protected:
  void SetUp() override { Restart(); }
  void TearDown() override {
    ServiceTest::TearDown();
    StartServer(SmallLimits());  // lets go of the directory
  }

  const std::string& directory() const { return folder_.path(); }

  // A server on the directory, after the one before it has ended.
  void Restart() {
    RestartWith([](ServerOptions&) {});
  }
  template <class Change>
  void RestartWith(Change change) {
    StartServer(SmallLimits());
    StartWith([this, change](ServerOptions& options) {
      options.data_dir = directory();
      options.commit_interval_ms = 1;
      change(options);
    });
  }

 private:
  TemporaryFolder folder_;
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_DURABLE_SERVICE_FIXTURE_H_
