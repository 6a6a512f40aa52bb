#include "common/trace.h"

#include "common/text.h"

namespace paperboy {

std::string TraceOf(std::string_view profile, std::string_view date, std::string_view revision) {
  std::string text(profile);
  text.append("\n").append(date).append("\n").append(revision);
  return Sha256Hex(text).substr(0, 32);
}

LogField TraceField(const std::set<std::string>& traces) {
  if (traces.size() == 1) return {"trace", *traces.begin()};
  return {"trace", std::vector<std::string>(traces.begin(), traces.end())};
}

LogField LeaseField(uint64_t lease) { return {"lease", std::to_string(lease)}; }

LogFields FieldsOf(const wire::Batch& batch) {
  return {{"digest", batch.digest()},
          {"trace", batch.trace()},
          LeaseField(batch.lease()),
          {"model", batch.model()}};
}

}  // namespace paperboy
