// SPDX-License-Identifier: Apache-2.0
//
// Places where a test has the server die, as by kill -9: before and after all
// that a crash must not tear apart. Only what is built with the CMake option
// BACKPROP_FAILPOINTS has them, as the preset test is; elsewhere MayDieAt is
// nothing.
//
//   BACKPROP_FAILPOINT=head_put:3 backpropd ...
//
// dies when it comes to that place for the third time. The names are those of
// Failpoint, spelled as head_put for kHeadPut. tests/end_to_end/crash_test.py
// has a server die at each of them.
#ifndef BACKPROP_SERVER_STORE_FAILPOINT_H_
#define BACKPROP_SERVER_STORE_FAILPOINT_H_

namespace backprop {

// In the order in which a session's life comes to them.
enum class Failpoint {
  // The server starts.
  kDirectoryHeld,  // nobody else may have the data directory any more
  kSchemaMade,     // a new database is a store, under another name yet
  kHeadsListed,    // it knows which sessions it has
  // A session is trained.
  kPartTrained,   // weights have changed, nobody has heard of it
  kPartRecorded,  // the journal knows
  // It hands over what a commit is to add.
  kBlockPut,      // what history needs beside rows
  kStepsPut,      // rows of steps
  kImagePut,      // a whole image
  kImagePartPut,  // one of a large image's parts
  kImageEnded,    // the last of them: what it replaces is removed
  kHandedOver,    // the committer has it
  // It is committed.
  kCommitBegun,  // the transaction is open
  kHeadPut,
  kPiecesRemoved,
  kPiecesPut,
  kSessionErased,
  kBeforeCommit,      // all is written, nothing is durable
  kAfterCommit,       // all is durable, nobody has heard of it
  kBeforeCheckpoint,  // the log is to be copied into the database
  kAfterCheckpoint,
  kSessionTold,  // the session and who trains it know
  kWaiterTold,   // who waited for it is about to be answered
  // It leaves memory, and comes back.
  kEvicting,
  kEvicted,
  kLoadBegun,
  kNumbersRestored,
  kBroughtBack,   // in its next epoch, of which the store does not know
  kEpochDurable,  // now it does
  // Its checkpoints.
  kCheckpointsEdited,  // one is made, changed or forgotten, in a change
  kHistoryCut,         // of what it is taken back from, in a change
  kRewindBegun,        // that change is whole; in memory nothing is different
  kRewindDurable,      // the store has the new life, memory the old one
};

#ifdef BACKPROP_FAILPOINTS
// From any thread.
void MayDieAt(Failpoint point);
#else
inline void MayDieAt(Failpoint /*point*/) {}
#endif

}  // namespace backprop

#endif  // BACKPROP_SERVER_STORE_FAILPOINT_H_
