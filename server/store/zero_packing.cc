// SPDX-License-Identifier: Apache-2.0
//
// Highway compiles what lies between HWY_BEFORE_NAMESPACE and
// HWY_AFTER_NAMESPACE once for each kind of CPU: for its vectors, and for its
// instructions that count and find bits.
#include "server/store/zero_packing.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "server/store/zero_packing.cc"
// clang-format off: foreach_target.h must stand first
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// clang-format on
#include "hwy/highway.h"

#ifndef BACKPROP_SERVER_STORE_ZERO_PACKING_BITS_
#define BACKPROP_SERVER_STORE_ZERO_PACKING_BITS_
namespace backprop {
namespace {

static_assert(std::endian::native == std::endian::little,
              "pieces are little-endian and are copied as such");

constexpr char kPlain = 0;
constexpr char kPacked = 1;

constexpr size_t kWordBits = 64;
constexpr size_t kMostWords = kPackedBlock / kWordBits;

constexpr size_t BitmapBytes(size_t count) { return (count + 7) / 8; }
constexpr size_t BitmapWords(size_t count) {
  return (count + kWordBits - 1) / kWordBits;
}

// Entry m: the places of the ones of m, in order, a byte each.
struct OnesPlaces {
  uint64_t of[256];
};
constexpr OnesPlaces MakeOnesPlaces() {
  OnesPlaces places{};
  for (uint64_t m = 0; m < 256; ++m) {
    int ones = 0;
    for (uint64_t place = 0; place < 8; ++place) {
      if ((m >> place & 1) != 0) places.of[m] |= place << 8 * ones++;
    }
  }
  return places;
}
constexpr OnesPlaces kOnesPlaces = MakeOnesPlaces();

// Bytes that may be stored behind what is gathered.
constexpr size_t kGatherBytes = 8;

// Where a block lies in what is packed.
struct PackedBlock {
  const char* bitmap = nullptr;  // null: the elements are as they are
  const char* elements = nullptr;
};

}  // namespace
}  // namespace backprop
#endif  // BACKPROP_SERVER_STORE_ZERO_PACKING_BITS_

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Sets bits of elements from i on that fill whole vectors of D; returns where
// it ended. bits: zero from there on.
#if HWY_TARGET == HWY_SCALAR
template <class D>
size_t MarkVectors(D, const char*, size_t, size_t i, uint64_t*) {
  return i;  // there are none
}
#else
template <class D, class T = hn::TFromD<D>>
HWY_INLINE size_t MarkVectors(D d, const char* elements, size_t count, size_t i,
                              uint64_t* bits) {
  for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d)) {
    const auto loaded =
        hn::LoadU(d, reinterpret_cast<const T*>(elements + i * sizeof(T)));
    uint64_t mask = 0;
    hn::StoreMaskBits(d, hn::Ne(loaded, hn::Zero(d)),
                      reinterpret_cast<uint8_t*>(&mask));
    bits[i / kWordBits] |= mask << (i % kWordBits);
  }
  return i;
}
#endif

// bits: (BitmapWords(count)), gets a 1 for each element that is not zero.
// Returns how many there are.
template <class T>
HWY_INLINE size_t MarkElements(const char* elements, size_t count,
                               uint64_t* bits) {
  const size_t words = BitmapWords(count);
  std::fill_n(bits, words, 0);
  size_t i = MarkVectors(hn::ScalableTag<T>(), elements, count, 0, bits);
  i = MarkVectors(hn::CappedTag<T, 16 / sizeof(T)>(), elements, count, i, bits);
  for (; i < count; ++i) {
    T element;
    std::memcpy(&element, elements + i * sizeof(T), sizeof(T));
    bits[i / kWordBits] |= uint64_t{element != 0} << (i % kWordBits);
  }
  size_t marked = 0;
  for (size_t w = 0; w < words; ++w) {
    marked += static_cast<size_t>(std::popcount(bits[w]));
  }
  return marked;
}

// Calls each(i) for each bit i that is 1, in order.
template <class Each>
HWY_INLINE void ForMarked(const uint64_t* bits, size_t words, Each each) {
  for (size_t w = 0; w < words; ++w) {
    for (uint64_t rest = bits[w]; rest != 0; rest &= rest - 1) {
      each(w * kWordBits + static_cast<size_t>(std::countr_zero(rest)));
    }
  }
}

// Copies the marked elements to `to`, and may overwrite kGatherBytes behind
// them.
template <class T>
HWY_INLINE void Gather(const char* elements, size_t count, const uint64_t* bits,
                       char* to) {
  ForMarked(bits, BitmapWords(count), [&](size_t i) HWY_ATTR {
    std::memcpy(to, elements + i * sizeof(T), sizeof(T));
    to += sizeof(T);
  });
}

#if HWY_TARGET != HWY_SCALAR
// Bytes are gathered by eight: with half of them zero, one by one takes three
// times as long.
template <>
HWY_INLINE void Gather<uint8_t>(const char* elements, size_t count,
                                const uint64_t* bits, char* to) {
  const hn::CappedTag<uint8_t, 8> eight;
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const auto mask =
        static_cast<uint8_t>(bits[i / kWordBits] >> i % kWordBits);
    const auto loaded =
        hn::LoadU(eight, reinterpret_cast<const uint8_t*>(elements + i));
    const auto places = hn::LoadU(
        eight, reinterpret_cast<const uint8_t*>(&kOnesPlaces.of[mask]));
    hn::StoreU(hn::TableLookupBytes(loaded, places), eight,
               reinterpret_cast<uint8_t*>(to));
    to += std::popcount(mask);
  }
  for (; i < count; ++i) {
    if (elements[i] != 0) *to++ = elements[i];
  }
}
#endif

template <class T>
void PackBlock(const char* elements, size_t count, std::string* packed) {
  uint64_t bits[kMostWords];
  const size_t marked = MarkElements<T>(elements, count, bits);
  if (BitmapBytes(count) + marked * sizeof(T) >= count * sizeof(T)) {
    packed->push_back(kPlain);
    packed->append(elements, count * sizeof(T));
    return;
  }
  packed->push_back(kPacked);
  packed->append(reinterpret_cast<const char*>(bits), BitmapBytes(count));
  const size_t begin = packed->size();
  packed->resize(begin + marked * sizeof(T) + kGatherBytes);
  Gather<T>(elements, count, bits, packed->data() + begin);
  packed->resize(begin + marked * sizeof(T));
}

// How many of its elements are there; more than `count` where the bitmap has
// bits of elements beyond. bits: gets the bitmap.
size_t ReadBitmap(const char* bitmap, size_t count, uint64_t* bits) {
  const size_t words = BitmapWords(count);
  bits[words - 1] = 0;
  std::memcpy(bits, bitmap, BitmapBytes(count));
  size_t marked = 0;
  for (size_t w = 0; w < words; ++w) {
    marked += static_cast<size_t>(std::popcount(bits[w]));
  }
  const size_t in_last = count - (words - 1) * kWordBits;
  if (in_last < kWordBits && (bits[words - 1] >> in_last) != 0) {
    return count + 1;
  }
  return marked;
}

template <class T>
void UnpackBlock(const PackedBlock& block, size_t count, char* elements) {
  if (block.bitmap == nullptr) {
    std::memcpy(elements, block.elements, count * sizeof(T));
    return;
  }
  uint64_t bits[kMostWords];
  ReadBitmap(block.bitmap, count, bits);
  std::memset(elements, 0, count * sizeof(T));
  const char* from = block.elements;
  ForMarked(bits, BitmapWords(count), [&](size_t i) HWY_ATTR {
    std::memcpy(elements + i * sizeof(T), from, sizeof(T));
    from += sizeof(T);
  });
}

void Pack(const char* elements, size_t element_size, size_t count,
          std::string* packed) {
  element_size == 1 ? PackBlock<uint8_t>(elements, count, packed)
                    : PackBlock<uint32_t>(elements, count, packed);
}

void Unpack(const PackedBlock& block, size_t element_size, size_t count,
            char* elements) {
  element_size == 1 ? UnpackBlock<uint8_t>(block, count, elements)
                    : UnpackBlock<uint32_t>(block, count, elements);
}

size_t CountMarked(const char* bitmap, size_t count) {
  uint64_t bits[kMostWords];
  return ReadBitmap(bitmap, count, bits);
}

}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backprop {

HWY_EXPORT(Pack);
HWY_EXPORT(Unpack);
HWY_EXPORT(CountMarked);

namespace {

// Takes the bytes off the front; null where there are not so many.
const char* TakeBytes(std::string_view* packed, size_t bytes) {
  if (packed->size() < bytes) return nullptr;
  const char* const taken = packed->data();
  packed->remove_prefix(bytes);
  return taken;
}

// Takes a block of `count` elements off the front, 0 < count ≤ kPackedBlock.
bool TakeBlock(std::string_view* packed, size_t element_size, size_t count,
               PackedBlock* block) {
  const char* const form = TakeBytes(packed, 1);
  if (form == nullptr) return false;
  size_t there = count;
  if (*form == kPacked) {
    block->bitmap = TakeBytes(packed, BitmapBytes(count));
    if (block->bitmap == nullptr) return false;
    there = HWY_DYNAMIC_DISPATCH(CountMarked)(block->bitmap, count);
    if (there > count) return false;
  } else if (*form != kPlain) {
    return false;
  }
  block->elements = TakeBytes(packed, there * element_size);
  return block->elements != nullptr;
}

// Calls each(first element, elements) for each block.
template <class Each>
bool ForBlocks(size_t count, Each each) {
  for (size_t i = 0; i < count; i += kPackedBlock) {
    if (!each(i, std::min(kPackedBlock, count - i))) return false;
  }
  return true;
}

}  // namespace

void PackZeros(std::string_view elements, size_t element_size,
               std::string* packed) {
  ForBlocks(elements.size() / element_size, [&](size_t first, size_t count) {
    HWY_DYNAMIC_DISPATCH(Pack)
    (elements.data() + first * element_size, element_size, count, packed);
    return true;
  });
}

bool UnpackZeros(std::string_view* packed, size_t element_size,
                 std::span<char> elements) {
  const size_t all = elements.size() / element_size;
  return ForBlocks(all, [&](size_t first, size_t count) {
    PackedBlock block;
    if (!TakeBlock(packed, element_size, count, &block)) return false;
    HWY_DYNAMIC_DISPATCH(Unpack)
    (block, element_size, count, elements.data() + first * element_size);
    return true;
  });
}

bool SkipZeros(std::string_view* packed, size_t element_size, size_t bytes) {
  return ForBlocks(bytes / element_size, [&](size_t, size_t count) {
    PackedBlock block;
    return TakeBlock(packed, element_size, count, &block);
  });
}

void PackZeros(std::span<const float> numbers, std::string* packed) {
  PackZeros(
      {reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()},
      sizeof(float), packed);
}

bool UnpackZeros(std::string_view* packed, std::span<float> numbers) {
  return UnpackZeros(
      packed, sizeof(float),
      {reinterpret_cast<char*>(numbers.data()), numbers.size_bytes()});
}

}  // namespace backprop
#endif  // HWY_ONCE
