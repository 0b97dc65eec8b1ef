// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_RUN_INTERRUPT_H_
#define BACKPROP_CLIENT_CLI_RUN_INTERRUPT_H_

namespace backprop::cli {

// From now on the first Ctrl-C (SIGINT), SIGTERM or SIGHUP only sets a flag, so
// that training can end in good order; the second ends the program. Where nohup
// has SIGHUP ignored, it stays so. A reader of the output that goes away
// (SIGPIPE) sets the flag too, and never ends the program.
void CatchInterrupt();
bool Interrupted();

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_RUN_INTERRUPT_H_
