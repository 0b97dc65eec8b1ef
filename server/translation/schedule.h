// SPDX-License-Identifier: Apache-2.0
//
// Between v1.Schedule, with the learning rate, and the engine's Schedule.
#ifndef BACKPROP_SERVER_TRANSLATION_SCHEDULE_H_
#define BACKPROP_SERVER_TRANSLATION_SCHEDULE_H_

#include "backprop/v1/network.pb.h"
#include "engine/training/schedule.h"

namespace backprop {

// All defaults filled in; not validated.
Schedule ScheduleFromProto(const v1::Optimiser& proto);

// Sets learning_rate, and schedule unless the rate never changes.
void ScheduleToProto(const Schedule& schedule, v1::Optimiser* proto);

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_SCHEDULE_H_
