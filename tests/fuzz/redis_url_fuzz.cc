#include "common/redis.h"
#include "tests/fuzz/fuzz_target.h"

namespace paperboy::fuzz {

FUZZ_TARGET(redis_url, bytes) {
  const Result<RedisUrl> url = ParseRedisUrl(bytes);
  if (!url) return CheckError(url.error());
  FUZZ_CHECK(!url->host.empty() && url->port >= 1 && url->port <= 65'535 && url->db >= 0);
  // It goes into logs: without the password, and as one that says the same.
  const std::string shown = Redacted(*url);
  CheckLine(shown);
  const Result<RedisUrl> again = ParseRedisUrl(shown);
  FUZZ_CHECK(again.ok() && again->password.empty());
  FUZZ_CHECK(again->host == url->host && again->port == url->port && again->db == url->db);
}

}  // namespace paperboy::fuzz
