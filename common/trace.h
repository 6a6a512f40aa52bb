// What the log lines of one digest have in common, in every process: `trace`. Nobody
// keeps it or hands it on but to scorers (Batch.trace), and nothing depends on it.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/log.h"
#include "proto/paperboy.pb.h"

namespace paperboy {

// 32 lower-case hex digits, the form of a W3C trace-id: the first 128 bits of the SHA-256
// of "PROFILE\nDATE\nREVISION", with the profile's name, the announcement date as
// YYYY-MM-DD and the profile's revision. So it is the same in every run, try and restart,
// and another one with another revision; a revision that comes back has its trace again.
std::string TraceOf(std::string_view profile, std::string_view date, std::string_view revision);

// The field `trace` of lines about these digests: of several a list.
LogField TraceField(const std::set<std::string>& traces);

// The field `lease`, as a text: it is above 2^53, up to which readers of JSON keep numbers.
LogField LeaseField(uint64_t lease);

// Of lines about a batch: digest, trace, lease, model.
LogFields FieldsOf(const wire::Batch& batch);

// For the field `papers`: ids of what has an id().
template <class Papers>
std::vector<std::string> IdsOf(const Papers& papers) {
  std::vector<std::string> ids;
  for (const auto& paper : papers) ids.push_back(paper.id());
  return ids;
}

}  // namespace paperboy
