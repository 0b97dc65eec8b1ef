// SPDX-License-Identifier: Apache-2.0
//
// What the process has a bounded amount of (bytes of answers, numbers of
// weights, places for calls) and lends while it lasts.
//
//   std::optional<Budget::Reservation> room = budget.Reserve(bytes);
//   if (!room.has_value()) return OverBudget(…);
//   answer.room = *std::move(room);  // given back when the answer is gone
//
// Whoever holds a reservation has that much of the budget, until the
// reservation is destroyed or assigned to. There is no other way to give
// something back, so nothing is forgotten and nothing is given back twice.
#ifndef BACKPROP_SERVER_SESSIONS_BUDGET_H_
#define BACKPROP_SERVER_SESSIONS_BUDGET_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace backprop {

// Any thread.
class Budget {
 private:
  struct Account {
    explicit Account(size_t most) : limit(most) {}

    const size_t limit;
    std::atomic<size_t> taken = 0;
  };

 public:
  // An amount of a budget, which it may outlive: gRPC keeps some answers, and
  // the room they take, until they have been sent. Move-only; each object is
  // for one thread at a time.
  class Reservation {
   public:
    Reservation() = default;  // of nothing
    Reservation(Reservation&& from) noexcept
        : account_(std::move(from.account_)),
          amount_(std::exchange(from.amount_, 0)) {}
    Reservation& operator=(Reservation&& from) noexcept {
      std::swap(account_, from.account_);
      std::swap(amount_, from.amount_);
      from.ShrinkTo(0);
      return *this;
    }
    ~Reservation() { ShrinkTo(0); }

    size_t amount() const { return amount_; }

    // False, having taken nothing more, if the rest is not left. One of nothing
    // has no budget to take it from, and does not count.
    bool GrowTo(size_t amount) {
      if (account_ == nullptr || amount <= amount_) return true;
      if (!Take(*account_, amount - amount_)) return false;
      amount_ = amount;
      return true;
    }

    // Gives back what is more than that.
    void ShrinkTo(size_t amount) {
      if (amount >= amount_) return;
      account_->taken -= amount_ - amount;
      amount_ = amount;
    }

   private:
    friend class Budget;
    Reservation(std::shared_ptr<Account> account, size_t amount)
        : account_(std::move(account)), amount_(amount) {}

    std::shared_ptr<Account> account_;  // null: of nothing
    size_t amount_ = 0;
  };

  explicit Budget(size_t limit) : account_(std::make_shared<Account>(limit)) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  // Nothing, having taken nothing, if less than amount is left.
  std::optional<Reservation> Reserve(size_t amount) {
    if (!Take(*account_, amount)) return std::nullopt;
    return Reservation(account_, amount);
  }

  size_t limit() const { return account_->limit; }
  size_t lent() const { return account_->taken; }

 private:
  static bool Take(Account& account, size_t amount) {
    size_t taken = account.taken.load();
    do {
      if (amount > account.limit - taken) return false;
    } while (!account.taken.compare_exchange_weak(taken, taken + amount));
    return true;
  }

  const std::shared_ptr<Account> account_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_BUDGET_H_
