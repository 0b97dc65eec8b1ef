// SPDX-License-Identifier: Apache-2.0
//
// What Linux says about this process (proc(5)).
#ifndef BACKPROP_SERVER_OPS_PROCESS_STATS_H_
#define BACKPROP_SERVER_OPS_PROCESS_STATS_H_

namespace backprop {

// Numbers that can't be read (no /proc) are 0. double, as Prometheus has it.
struct ProcessStats {
  double cpu_seconds = 0;  // user and system
  double resident_bytes = 0;
  double virtual_bytes = 0;
  double open_fds = 0;
  double max_fds = 0;             // the soft limit
  double start_time_seconds = 0;  // since 1970, UTC
};

// Any thread.
ProcessStats ReadProcessStats();

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPS_PROCESS_STATS_H_
