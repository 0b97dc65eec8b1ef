// SPDX-License-Identifier: Apache-2.0
//
// What network.proto marks (live) is what UpdateSession changes: every field of
// a spec is tried, those within messages too.
#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

#include "backprop/v1/options.pb.h"
#include "tests/server/durable_service_fixture.h"

namespace backprop::testing {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

using Way = std::vector<const FieldDescriptor*>;

// The way to every field that lies in a message, and in those within it.
void AddWays(const Descriptor& message, const Way& to, std::vector<Way>& all) {
  for (int i = 0; i < message.field_count(); ++i) {
    Way way = to;
    way.push_back(message.field(i));
    all.push_back(way);
    const Descriptor* const within = message.field(i)->message_type();
    if (within != nullptr) AddWays(*within, way, all);
  }
}

std::string PathOf(const Way& way) {
  std::string path;
  for (const FieldDescriptor* field : way)
    path += (path.empty() ? "" : ".") + std::string(field->name());
  return path;
}

// Gives a field another value than a new session's, whichever it is.
void Change(Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  if (field.is_repeated()) {  // class_weights: one for each of two outputs
    for (int i = 0; i < 2; ++i) reflection.AddFloat(&message, &field, 0.25F);
  } else if (field.message_type() != nullptr) {
    Message& within = *reflection.MutableMessage(&message, &field);
    const Descriptor& type = *field.message_type();
    for (int i = 0; i < type.field_count(); ++i)
      if (type.field(i)->message_type() == nullptr)
        return Change(within, *type.field(i));
    FAIL() << field.full_name() << " has no plain field to change";
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
    reflection.SetFloat(&message, &field, 0.25F);
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32) {
    reflection.SetUInt32(&message, &field, 9);
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64) {
    reflection.SetUInt64(&message, &field, 9);
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_INT64) {
    reflection.SetInt64(&message, &field, 600);  // a Duration's seconds
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    reflection.SetString(&message, &field, "another");
  } else {
    FAIL() << field.full_name() << ": say here how to change it";
  }
}

// The message that the last field of the way lies in; of repeated ones the
// first.
Message& Holder(const Way& way, v1::SessionSpec* spec) {
  Message* message = spec;
  for (size_t i = 0; i + 1 < way.size(); ++i) {
    const Reflection& reflection = *message->GetReflection();
    message = way[i]->is_repeated()
                  ? reflection.MutableRepeatedMessage(message, way[i], 0)
                  : reflection.MutableMessage(message, way[i]);
  }
  return *message;
}

// With a store: some fields are for it.
class LiveFieldsTest : public DurableServiceTest {
 protected:
  // A session that has the field: of its optimiser, and a loss that it is for.
  v1::Session SessionWith(const Way& way) {
    v1::SessionSpec spec = Spec(3, {4, 2});
    spec.set_loss(PathOf(way) == "huber_delta" ? v1::LOSS_HUBER
                                               : v1::LOSS_CROSS_ENTROPY);
    spec.mutable_optimiser()->mutable_sgd()->set_momentum(0.5F);
    const bool kind = way.size() > 1 && way[0]->name() == "optimiser" &&
                      way[1]->real_containing_oneof() != nullptr;
    if (kind && way[1]->name() != "sgd") {
      v1::Optimiser& optimiser = *spec.mutable_optimiser();
      optimiser.GetReflection()->MutableMessage(&optimiser, way[1]);
    }
    return Create(spec);
  }
};

TEST_F(LiveFieldsTest, WhatIsMarkedIsWhatUpdateSessionChanges) {
  std::vector<Way> ways;
  AddWays(*v1::SessionSpec::descriptor(), {}, ways);
  int live = 0;
  for (const Way& way : ways) {
    const std::string path = PathOf(way);
    SCOPED_TRACE(path);
    const v1::Session session = SessionWith(way);
    auto request = For<v1::UpdateSessionRequest>(session);
    *request.mutable_spec() = session.spec();
    request.mutable_update_mask()->add_paths(path);
    v1::UpdateSessionResponse response;
    if (!way.back()->options().GetExtension(v1::live)) {
      EXPECT_EQ(Reason(Call(&Stub::UpdateSession, request, &response)),
                "INVALID_REQUEST");
      continue;
    }
    ++live;
    Change(Holder(way, request.mutable_spec()), *way.back());
    const grpc::Status status = Call(&Stub::UpdateSession, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.session().spec().DebugString(),
              request.spec().DebugString());
    EXPECT_NE(response.session().spec().DebugString(),
              session.spec().DebugString());
    EXPECT_EQ(Get(session).spec().DebugString(), request.spec().DebugString());
  }
  EXPECT_GE(live, 18);
  EXPECT_GE(ways.size(), 60u);
}

}  // namespace
}  // namespace backprop::testing
