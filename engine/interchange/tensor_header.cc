// SPDX-License-Identifier: Apache-2.0
#include "engine/interchange/tensor_header.h"

#include <cstddef>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace backprop {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kMetadata[] = "__metadata__";

// Told of the header's JSON token by token, so that nothing nested is built and
// keys that stand there twice are seen. Each call says whether to go on.
class HeaderReader {
 public:
  // What is wrong, once a call has said that nothing goes on.
  const std::string& fault() const { return fault_; }
  TensorHeader Take() && { return std::move(header_); }

  // nlohmann's names from here on.
  using number_integer_t = Json::number_integer_t;
  using number_unsigned_t = Json::number_unsigned_t;
  using number_float_t = Json::number_float_t;
  using string_t = Json::string_t;
  using binary_t = Json::binary_t;

  bool null() { return Unexpected("null"); }
  bool boolean(bool) { return Unexpected("true or false"); }
  bool number_integer(number_integer_t) {
    return Unexpected("a negative number");
  }
  bool number_float(number_float_t, const string_t&) {
    return Unexpected("a number that is not whole");
  }
  bool binary(binary_t&) { return Unexpected("bytes"); }

  bool number_unsigned(number_unsigned_t number) {
    if (numbers_ == nullptr) return Unexpected("a number");
    numbers_->push_back(number);
    return true;
  }

  bool string(string_t& text) {
    if (depth_ != 2) return Unexpected("a text");
    if (in_metadata_) {
      header_.metadata[field_] = text;
      return true;
    }
    if (field_ != "dtype") return Unexpected("a text");
    header_.entries.back().dtype = text;
    return true;
  }

  bool start_object(size_t) {
    if (depth_ == 2) return Unexpected("an object");
    ++depth_;
    fields_.clear();
    return true;
  }

  bool key(string_t& key) {
    if (depth_ == 1) return BeginEntry(key);
    field_ = key;
    if (!fields_.insert(key).second) {
      return Fail(absl::StrCat(Where(), " stands there twice"));
    }
    if (in_metadata_ || key == "dtype" || key == "shape" ||
        key == "data_offsets") {
      return true;
    }
    return Fail(absl::StrCat(Where(), " is no part of a tensor's entry"));
  }

  bool end_object() {
    if (--depth_ == 0 || in_metadata_ || fields_.size() == 3) return true;
    return Fail(absl::StrCat(Quoted(entry_),
                             " lacks one of dtype, shape and data_offsets"));
  }

  bool start_array(size_t) {
    if (depth_ != 2 || in_metadata_ || numbers_ != nullptr) {
      return Unexpected("a list");
    }
    TensorEntry& entry = header_.entries.back();
    if (field_ == "shape") numbers_ = &entry.shape;
    if (field_ == "data_offsets") numbers_ = &entry.offsets;
    return numbers_ != nullptr || Unexpected("a list");
  }

  bool end_array() {
    if (numbers_ == &header_.entries.back().offsets && numbers_->size() != 2) {
      return Fail(absl::StrCat(Where(), " holds ", numbers_->size(),
                               " numbers; must hold begin and end"));
    }
    numbers_ = nullptr;
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) {
    return Fail(absl::StrCat("it is no JSON from byte ", position, " on"));
  }

 private:
  bool BeginEntry(const std::string& name) {
    entry_ = name;
    in_metadata_ = name == kMetadata;
    if (!names_.insert(name).second) {
      return Fail(absl::StrCat(Quoted(name), " stands there twice"));
    }
    if (!in_metadata_) header_.entries.push_back({.name = name});
    return true;
  }

  std::string Where() const {
    if (depth_ == 0) return "the whole";
    if (depth_ == 1) return Quoted(entry_);
    return absl::StrCat(Quoted(field_), " of ", Quoted(entry_));
  }

  bool Unexpected(const char* what) {
    return Fail(absl::StrCat(Where(), " is or holds ", what,
                             ", which has no place there"));
  }

  bool Fail(std::string fault) {
    fault_ = std::move(fault);
    return false;
  }

  TensorHeader header_;
  std::string fault_;
  int depth_ = 0;  // of objects
  std::set<std::string> names_;
  std::string entry_;  // the present one's name
  bool in_metadata_ = false;
  std::set<std::string> fields_;  // the present entry's so far
  std::string field_;
  std::vector<uint64_t>* numbers_ = nullptr;  // of the present list
};

}  // namespace

absl::StatusOr<TensorHeader> ParseTensorHeader(std::string_view json) {
  const auto damaged = [](const std::string& fault) {
    return absl::DataLossError(absl::StrCat(
        "the header is damaged, or this is no safetensors file: ", fault));
  };
  if (!json.starts_with('{')) return damaged("it does not begin with {");
  // nlohmann takes it for the end.
  if (json.find('\0') != std::string_view::npos) {
    return damaged("it has a byte 0");
  }
  HeaderReader reader;
  if (!Json::sax_parse(json.begin(), json.end(), &reader)) {
    return damaged(reader.fault());
  }
  return std::move(reader).Take();
}

std::string TensorHeaderJson(const TensorHeader& header) {
  Json json = Json::object();
  if (!header.metadata.empty()) json[kMetadata] = header.metadata;
  for (const TensorEntry& entry : header.entries) {
    json[entry.name] = {{"dtype", entry.dtype},
                        {"shape", entry.shape},
                        {"data_offsets", entry.offsets}};
  }
  return json.dump();
}

std::string Quoted(std::string_view text) {
  constexpr size_t kMost = 80;
  return absl::StrCat("\"",
                      absl::CHexEscape(std::string(text.substr(0, kMost))),
                      text.size() > kMost ? "…" : "", "\"");
}

}  // namespace backprop
