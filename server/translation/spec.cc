// SPDX-License-Identifier: Apache-2.0
#include "server/translation/spec.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/sessions/rejection.h"
#include "server/translation/durability.h"
#include "server/translation/history.h"
#include "server/translation/initialiser.h"
#include "server/translation/input.h"
#include "server/translation/message_limits.h"
#include "server/translation/network.h"
#include "server/translation/optimiser.h"
#include "server/translation/timestamp.h"

namespace backprop {
namespace {

using Violations = std::vector<FieldViolation>;

// Keeps the bytes of a step's samples far from overflow.
constexpr uint32_t kLargestBatch = 1u << 20;
// Inputs and activations of one step, in numbers: 256 MiB of scratch memory
// that a small message could otherwise blow up to terabytes.
constexpr size_t kMostStepNumbers = size_t{64} << 20;

absl::StatusOr<Layout> CreateLayout(const SessionSpec& spec,
                                    size_t max_weights) {
  std::vector<size_t> sizes;
  for (const LayerSpec& layer : spec.network.layers) {
    sizes.push_back(layer.size);
  }
  const size_t inputs = spec.network.input_size;
  auto cheapest = Layout::Create(inputs, sizes, spec.batch_size, max_weights);
  if (!cheapest.ok()) return cheapest;
  std::vector<DeltaForm> forms;
  for (size_t k = 0; k < sizes.size(); ++k) {
    forms.push_back(spec.delta_forms[k].value_or(cheapest->layers()[k].form));
  }
  auto layout =
      Layout::Create(inputs, sizes, spec.batch_size, max_weights, forms);
  if (!layout.ok()) return layout;
  return layout->WithRule(spec.rule);
}

// No overflow: it is allocated.
size_t ResidentBytes(const Layout& layout) {
  return layout.weight_count() * (1 + layout.state_count()) * sizeof(float);
}

void HistoryStepToProto(std::optional<uint64_t> first_step,
                        v1::Session* proto) {
  if (first_step.has_value()) proto->set_history_first_step(*first_step);
}

void ExpireTimeToProto(std::chrono::system_clock::time_point last_use,
                       const SessionSpec& spec, v1::Session* proto) {
  if (spec.expire_after.count() == 0) return;
  TimeToProto(last_use + spec.expire_after, proto->mutable_expire_time());
}

void BirthToProto(const SessionBirth& birth, v1::Session* proto) {
  proto->set_session_id(birth.id);
  proto->set_forked_from(birth.forked_from);
  TimeToProto(birth.time, proto->mutable_create_time());
}

// No overflow: a layout's weights outnumber its sides.
size_t NumbersASample(const Layout& layout) {
  size_t numbers = layout.input_size();
  for (const LayerLayout& layer : layout.layers()) numbers += layer.outputs;
  return numbers;
}

}  // namespace

absl::StatusOr<SessionSpec> SpecFromProto(const v1::SessionSpec& proto,
                                          bool weights_given) {
  Violations violations;
  SessionSpec spec;
  NetworkFromProto(proto, &spec, violations);
  OptimiserFromProto(proto.optimiser(), &spec, violations);
  if (proto.batch_size() > kLargestBatch) {
    violations.push_back(
        {"spec.batch_size", absl::StrCat("is ", proto.batch_size(),
                                         "; must be at most ", kLargestBatch)});
  }
  spec.batch_size = proto.batch_size() == 0 ? 1 : proto.batch_size();
  if (!weights_given) {
    spec.initialiser = InitialiserFromProto(proto.initialiser(), violations);
  }
  InputFromProto(proto.input(), &spec, violations);
  if (proto.digest_every() != 0) spec.digest_every = proto.digest_every();
  spec.dropout_seed = proto.dropout_seed();
  for (FieldViolation& violation : ValidateDisplayName(proto.display_name())) {
    violation.field.insert(0, "spec.");
    violations.push_back(std::move(violation));
  }
  spec.display_name = proto.display_name();
  DurabilityFromProto(proto, &spec, violations);
  ExpiryFromProto(proto, &spec, violations);
  HistoryFromProto(proto, &spec, violations);
  if (!violations.empty()) return InvalidFields(violations);
  return spec;
}

v1::SessionSpec SpecToProto(const SessionSpec& spec, const Layout& layout) {
  v1::SessionSpec proto;
  NetworkToProto(spec.network, layout, &proto);
  OptimiserToProto(spec, proto.mutable_optimiser());
  proto.set_batch_size(static_cast<uint32_t>(spec.batch_size));
  if (spec.initialiser) {
    InitialiserToProto(*spec.initialiser, proto.mutable_initialiser());
  }
  InputToProto(spec, proto.mutable_input());
  proto.set_digest_every(spec.digest_every);
  proto.set_dropout_seed(spec.dropout_seed);
  proto.set_display_name(spec.display_name);
  DurabilityToProto(spec.durability, &proto);
  ExpiryToProto(spec.expire_after, &proto);
  HistoryToProto(spec.history, &proto);
  return proto;
}

absl::StatusOr<Layout> LayoutOf(const SessionSpec& spec, size_t max_weights) {
  auto layout = CreateLayout(spec, max_weights);
  if (!layout.ok()) {
    return InvalidField(
        "spec.layers",
        absl::StrCat(layout.status().message(),
                     "; make the net smaller, or raise --max-session-weights"));
  }
  if (layout->delta_row_length() > kMostNumbersInMessage) {
    return InvalidField("spec.layers",
                        absl::StrCat("a step's delta row would hold ",
                                     layout->delta_row_length(),
                                     " numbers, more than a message may: let "
                                     "large layers be FACTORED, or make the "
                                     "batch smaller"));
  }
  const size_t numbers = NumbersASample(*layout);
  if (numbers > kMostStepNumbers / spec.batch_size) {
    return InvalidField(
        "spec.batch_size",
        absl::StrCat("is ", spec.batch_size, "; with ", numbers,
                     " inputs and activations a sample it must be at most ",
                     kMostStepNumbers / numbers));
  }
  absl::Status status = CheckHistory(spec, *layout);
  if (!status.ok()) return status;
  return layout;
}

void SessionToProto(const Session& session, v1::Session* proto) {
  const SessionMoment moment = session.moment();
  BirthToProto(session.birth(), proto);
  *proto->mutable_spec() = SpecToProto(*moment.spec, session.layout());
  LayoutToProto(session.layout(), proto->mutable_layout());
  proto->set_step(moment.progress.step);
  proto->set_next_offset(moment.progress.next_offset);
  proto->set_learning_rate(moment.learning_rate);
  proto->set_has_writer(moment.has_writer);
  proto->set_epoch(moment.epoch);
  proto->set_durable_step(moment.durable.step);
  proto->set_durable_offset(moment.durable.next_offset);
  proto->set_resident(true);
  proto->set_resident_bytes(ResidentBytes(session.layout()) +
                            session.held_bytes() + moment.past_bytes);
  proto->set_stored_bytes(moment.stored_bytes);
  HistoryStepToProto(moment.history_first_step, proto);
  ExpireTimeToProto(session.last_use(), *moment.spec, proto);
}

void StoredSessionToProto(const StoredView& stored, v1::Session* proto) {
  const SessionRecord& record = stored.record;
  const Standing& standing = record.standing;
  BirthToProto(record.birth, proto);
  *proto->mutable_spec() = SpecToProto(record.spec, record.layout);
  LayoutToProto(record.layout, proto->mutable_layout());
  proto->set_step(standing.progress.step);
  proto->set_next_offset(standing.progress.next_offset);
  proto->set_learning_rate(
      LearningRate(record.spec.schedule, standing.schedule).Rate(0));
  proto->set_epoch(stored.epoch);
  proto->set_durable_step(standing.progress.step);
  proto->set_durable_offset(standing.progress.next_offset);
  proto->set_stored_bytes(stored.bytes);
  HistoryStepToProto(record.pieces.history_first_step, proto);
  ExpireTimeToProto(stored.last_use, record.spec, proto);
}

}  // namespace backprop
