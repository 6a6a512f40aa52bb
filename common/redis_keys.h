// Every key that Paperboy keeps in Redis, by name. All carry the prefix
// "paperboy:" and a time to live; losing any of them costs time, never truth.
#pragma once

#include <chrono>
#include <string>

namespace paperboy::redis_keys {

// Set of "id" of papers that the ledger has for a profile: a hint for fetchers.
// Written by the aggregator after its commit. `ledger` is the ledger's own id.
inline std::string Seen(const std::string& ledger, const std::string& profile) {
  return "paperboy:seen:" + ledger + ":" + profile;
}
inline constexpr std::chrono::hours kSeenTtl{24 * 90};

// String: the checked result of one unit of work with its call, serialised
// (scorer/score_cache.h). `key_hex` is the work key.
inline std::string Score(const std::string& key_hex) { return "paperboy:score:" + key_hex; }
inline constexpr std::chrono::hours kScoreTtl{24 * 7};

// Hash: state of the shared limiter for one quota (scorer/limiter.h).
inline std::string Limit(const std::string& quota_key) { return "paperboy:limit:" + quota_key; }
inline constexpr std::chrono::hours kLimitTtl{1};

// String: the owner of the one connection to arXiv; and the instant (Redis
// TIME, microseconds) at which the last request ended, and when that was noted.
inline std::string ArxivLock() { return "paperboy:arxiv:lock"; }
inline std::string ArxivEnd() { return "paperboy:arxiv:end"; }

// The same for Semantic Scholar.
inline std::string ScholarLock() { return "paperboy:s2:lock"; }
inline std::string ScholarEnd() { return "paperboy:s2:end"; }

// String: what Semantic Scholar said of the authors of a paper (wire.PaperAuthors,
// serialised), or nothing where it did not know the paper.
inline std::string Authors(const std::string& paper) { return "paperboy:authors:" + paper; }
inline constexpr std::chrono::hours kAuthorsTtl{24 * 30};
inline constexpr std::chrono::hours kUnknownAuthorsTtl{24};

}  // namespace paperboy::redis_keys
