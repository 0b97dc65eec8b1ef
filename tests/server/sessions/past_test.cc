// SPDX-License-Identifier: Apache-2.0
//
// What is known in memory of a session's past, however long that is, and how
// much of it goes at once.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "server/sessions/block_writer.h"
#include "server/sessions/history.h"
#include "server/sessions/session_spec.h"
#include "server/sessions/stored_pieces.h"

namespace backprop {
namespace {

// Pieces in the store, and what a head says of them.
class Shelf {
 public:
  uint64_t Put(PieceKind kind, uint64_t base_step, uint64_t step,
               uint64_t first_number = 0) {
    const uint64_t number = ++last_;
    pieces_[number] = {{number, kind, base_step, step, first_number},
                       10 + number % 7};
    return number;
  }
  // An image, and so many steps of a block each.
  uint64_t PutGroup(uint64_t steps) {
    const uint64_t image = Put(PieceKind::kImage, 0, step_);
    for (; steps > 0; --steps, ++step_) {
      Put(PieceKind::kSteps, step_, step_ + 1);
      Put(PieceKind::kBlock, step_, step_ + 1, image);
    }
    return image;
  }

  void Do(const SessionChange& change) {
    for (const uint64_t number : change.remove) {
      EXPECT_EQ(pieces_.erase(number), 1u) << number;
    }
    for (const PieceRange& range : change.remove_ranges) {
      std::erase_if(pieces_, [&](const auto& each) {
        return range.Has(each.second.name);
      });
    }
  }

  StoredSession Stored() const {
    StoredSession stored;
    stored.head.step = step_;
    for (const auto& [number, piece] : pieces_) stored.pieces.push_back(piece);
    return stored;
  }
  size_t BytesOf(uint64_t first, uint64_t last) const {
    size_t bytes = 0;
    for (const auto& [number, piece] : pieces_) {
      if (number >= first && number <= last) bytes += piece.bytes;
    }
    return bytes;
  }

  std::map<uint64_t, StoredPiece>& pieces() { return pieces_; }
  uint64_t last() const { return last_; }

 private:
  std::map<uint64_t, StoredPiece> pieces_;
  uint64_t last_ = 0;
  uint64_t step_ = 0;
};

History HistoryIn(const Shelf& shelf, const HeadPieces& head) {
  return HistoryOf(shelf.Stored(), head, [](const PieceName& block) {
    return PastGroup::Time(std::chrono::seconds(block.step));
  });
}

// All that the pieces still owe, in as many changes as that takes; at most so
// many of them.
int RemoveAll(StoredPieces& pieces, Shelf& shelf, int most = 1'000'000) {
  int changes = 0;
  for (; pieces.OwesRemovals() && changes < most; ++changes) {
    const size_t before = shelf.pieces().size();
    SessionChange change;
    pieces.RemoveSome(change);
    shelf.Do(change);
    EXPECT_LE(before - shelf.pieces().size(), Removals::kMostNumbers);
  }
  return changes;
}

class PastTest : public ::testing::Test {
 protected:
  // Some groups, of which the last is the present's.
  void Fill(uint64_t groups, uint64_t steps) {
    shelf_.Put(PieceKind::kSpec, 0, 0);
    for (uint64_t i = 0; i < groups; ++i) {
      head_.first_live = shelf_.PutGroup(steps);
    }
    head_.history_first_step = 1;
    head_.history_first_piece = 2;
  }

  StoredPieces Load(CheckpointSet checkpoints = {}) {
    return {shelf_.Stored(), head_.first_live, std::move(checkpoints),
            HistoryIn(shelf_, head_)};
  }

  Shelf shelf_;
  HeadPieces head_;
};

TEST_F(PastTest, AMillionPiecesAreKnownAsSomeGroups) {
  Fill(10'001, 50);
  ASSERT_GT(shelf_.last(), 1'000'000u);
  const History history = HistoryIn(shelf_, head_);
  const auto& groups = history.past->groups();
  EXPECT_LE(groups.size(), Past::kMostGroups);
  EXPECT_GT(groups.size(), Past::kMostGroups / 4);
  const PastGroup& largest =
      *std::ranges::max_element(groups, {}, &PastGroup::bytes);
  EXPECT_LE(largest.bytes, history.past->bytes() / 100);
  EXPECT_EQ(groups.front().first_piece, 2u);
  EXPECT_EQ(groups.back().last_piece, head_.first_live - 1);
  EXPECT_EQ(groups.back().last_step, 500'000u);
  EXPECT_EQ(groups.back().last_time,
            PastGroup::Time(std::chrono::seconds(500'000)));
  EXPECT_EQ(history.past->bytes(), shelf_.BytesOf(2, head_.first_live - 1));
  EXPECT_EQ(history.first_step(), 1u);
  EXPECT_LE(groups.capacity() * sizeof(PastGroup),
            kPastNumbers * sizeof(float));
}

TEST_F(PastTest, ALimitTakesLittleMoreThanIsBeyondIt) {
  Fill(10'001, 50);
  Past past = *HistoryIn(shelf_, head_).past;
  const size_t all = past.bytes();
  past.Trim({.max_bytes = all - 1}, 500'000, {});
  EXPECT_LT(past.bytes(), all);
  EXPECT_GE(past.bytes(), all - all / 100);
  past.Trim({.max_steps = 250'000}, 500'000, {});
  EXPECT_LE(past.groups().front().start.base_step, 250'000u);
  EXPECT_GE(past.groups().front().start.base_step, 245'000u);
}

// What a checkpoint holds stays: images, steps and its spec.
TEST_F(PastTest, WhatIsForgottenGoesInTheCourseOfSomeChanges) {
  Fill(200, 50);
  const uint64_t live = head_.first_live;
  CheckpointSet checkpoints;
  const uint64_t said = shelf_.Put(PieceKind::kCheckpoint, 0, 0);
  checkpoints.Put(
      {std::make_shared<const Checkpoint>(Checkpoint{.name = "a",
                                                     .first_piece = 2000,
                                                     .last_piece = 2100,
                                                     .spec_piece = 1}),
       said});
  Shelf before = shelf_;
  StoredPieces pieces = Load(checkpoints);
  ASSERT_FALSE(pieces.OwesRemovals());
  const auto past = pieces.history().past;
  pieces.SetHistory({});
  SessionChange change;
  pieces.Forget(past->groups(), change);
  // The server dies between two of them, and goes on when it is back.
  head_.history_first_step.reset();
  EXPECT_EQ(RemoveAll(pieces, shelf_, 5), 5);
  const size_t left = shelf_.pieces().size();
  pieces = Load(checkpoints);
  EXPECT_GT(RemoveAll(pieces, shelf_), 5);
  EXPECT_LT(shelf_.pieces().size(), left);
  for (const auto& [number, piece] : before.pieces()) {
    const bool held = number >= 2000 && number <= 2100 &&
                      piece.name.kind != PieceKind::kBlock;
    EXPECT_EQ(shelf_.pieces().contains(number),
              held || number == 1 || number >= live)
        << number;
  }
  // ... until it goes.
  const Checkpoint gone = *checkpoints.Find("a")->checkpoint;
  pieces.SetCheckpoints({});
  pieces.Forsake(gone);
  RemoveAll(pieces, shelf_);
  EXPECT_EQ(shelf_.pieces().lower_bound(2)->first, live);
}

TEST_F(PastTest, GroupsThatAreHalfGoneAreNoHistory) {
  Fill(60, 50);
  StoredPieces pieces = Load();
  History history = pieces.history();
  Past past = *history.past;
  const auto gone = past.Trim({.max_steps = 1000}, 3000, {});
  ASSERT_EQ(gone.size(), 40u);
  history.past = std::make_shared<const Past>(past);
  pieces.SetHistory(history);
  SessionChange change;
  pieces.Forget(gone, change);
  head_.history_first_step = history.first_step();
  head_.history_first_piece = past.groups().front().first_piece;
  EXPECT_EQ(RemoveAll(pieces, shelf_, 2), 2);
  const History after = HistoryIn(shelf_, head_);
  ASSERT_EQ(after.past->groups().size(), past.groups().size());
  EXPECT_EQ(after.past->bytes(), past.bytes());
  EXPECT_EQ(after.first_step(), 2001u);
  pieces = Load();
  RemoveAll(pieces, shelf_);
  EXPECT_EQ(shelf_.pieces().size(),
            1 + shelf_.last() - past.groups().front().first_piece + 1);
}

// The session went back to step 10, and a checkpoint holds what it had done
// after that.
TEST_F(PastTest, PiecesOfALifeThatIsOverAreNoPast) {
  shelf_.Put(PieceKind::kSpec, 0, 0);
  const uint64_t image = shelf_.PutGroup(10);
  const uint64_t end = shelf_.last();
  shelf_.Put(PieceKind::kSteps, 10, 20);
  const uint64_t dead = shelf_.Put(PieceKind::kBlock, 10, 20, image);
  head_.first_live = shelf_.PutGroup(5);
  head_.history_first_step = 1;
  head_.history_first_piece = image;
  for (const bool block_is_left : {true, false}) {
    if (!block_is_left) shelf_.pieces().erase(dead);
    const History history = HistoryIn(shelf_, head_);
    ASSERT_EQ(history.past->groups().size(), 1u);
    EXPECT_EQ(history.past->groups()[0].last_step, 10u);
    EXPECT_EQ(history.past->bytes(), shelf_.BytesOf(image, end));
    const auto live = LiveBlocks(shelf_.Stored().pieces, head_, 15);
    EXPECT_EQ(FindBlock(live, 10)->number, end);
    EXPECT_GT(FindBlock(live, 12)->number, head_.first_live);
  }
}

TEST_F(PastTest, ASpecThatOnlyLaterBlocksAreOfOutlivesItsGroup) {
  Fill(3, 5);
  StoredPieces pieces = Load();
  SessionChange change;
  pieces.PutSpec(15, "new", change);
  EXPECT_TRUE(change.remove.empty());  // blocks are of it
  History history = pieces.history();
  Past past = *history.past;
  const auto gone = past.Trim({.max_steps = 7}, 15, {});
  ASSERT_EQ(gone.size(), 1u);
  history.past = std::make_shared<const Past>(past);
  pieces.SetHistory(history);
  pieces.Forget(gone, change);
  shelf_.Do(change);
  RemoveAll(pieces, shelf_);
  EXPECT_TRUE(shelf_.pieces().contains(1));
  EXPECT_EQ(shelf_.pieces().upper_bound(1)->first,
            past.groups().front().first_piece);
}

TEST(BlockWriterTest, CountsAllThatItsBlocksHold) {
  auto spec = std::make_shared<SessionSpec>();
  spec->input.mean.resize(1000);
  spec->input.factor.resize(1000);
  BlockWriter blocks;
  blocks.Begin(spec, std::string(2000, 'h'), {});
  const size_t begun = blocks.bytes();
  EXPECT_GE(begun, 2000u + 2000 * sizeof(float));
  blocks.AddErrors(std::vector<float>(100));
  EXPECT_EQ(blocks.bytes(), begun + 100 * sizeof(float));
  blocks.End({.bytes = std::string(50, 'r')});
  EXPECT_EQ(blocks.bytes(), begun + 100 * sizeof(float) + 50);
  blocks.Begin(spec, std::string(2000, 'h'), {});
  EXPECT_EQ(blocks.bytes(), 2 * begun + 100 * sizeof(float) + 50);
  blocks.Clear();
  EXPECT_EQ(blocks.bytes(), 0u);
}

}  // namespace
}  // namespace backprop
