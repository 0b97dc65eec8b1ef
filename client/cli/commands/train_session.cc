// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/train_session.h"

#include <utility>

#include "client/cli/flags/command.h"
#include "client/cli/flags/spec_flags.h"

namespace backprop::cli {

absl::StatusOr<v1::Session> CreateSession(TrainingClient& client,
                                          const TrainFlags& flags,
                                          const TrainData& data) {
  const Dataset& training = data.training;
  absl::StatusOr<v1::SessionSpec> spec =
      MakeSpec(flags.spec,
               {.input_size = static_cast<uint32_t>(training.input_size),
                .output_size = static_cast<uint32_t>(training.output_size()),
                .regression = flags.csv.regression,
                .format = training.format,
                .samples = training.samples,
                // --until-error may end it at any epoch.
                .train_samples = flags.until_error.has_value()
                                     ? 0
                                     : flags.most_epochs() * training.samples});
  if (!spec.ok()) return spec.status();
  absl::Status fits = CheckFits(training, *spec, "the data");
  if (!fits.ok()) return UsageError("--layers", std::string(fits.message()));
  fits = CheckTrainData(flags, data, *spec);
  if (!fits.ok()) return fits;
  v1::CreateSessionRequest request;
  *request.mutable_spec() = *std::move(spec);
  return client.CreateSession(request);
}

absl::StatusOr<v1::Session> FindSession(TrainingClient& client,
                                        const TrainFlags& flags,
                                        const TrainData& data) {
  absl::StatusOr<v1::Session> session = client.GetSession(flags.session_id);
  if (!session.ok()) return session;
  absl::Status fits = CheckTrainData(flags, data, session->spec());
  if (!fits.ok()) return fits;
  return session;
}

}  // namespace backprop::cli
