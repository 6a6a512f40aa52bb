// A fault that tests/acceptance/fuzz must find before it believes that others are not there:
// a write behind the end, for an input that is not tried by chance.
#include <cstdint>
#include <cstring>
#include <memory>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr char kMagic[] = "owl!";
  const std::unique_ptr<uint8_t[]> copy(new uint8_t[size]);
  std::memcpy(copy.get(), data, size);
  size_t matched = 0;
  while (matched < 4 && matched < size && data[matched] == kMagic[matched]) ++matched;
  if (matched == 4) copy[size + matched] = 0;
  return 0;
}
