#include <fstream>

#include "common/profile.h"
#include "common/text.h"
#include "scorer/answer.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/temp_dir.h"

namespace paperboy::fuzz {
namespace {

// The folder's files, one after the other, each behind a line with its name.
void WriteFiles(std::string_view bytes, const TempDir& dir) {
  TakePart(&bytes, "== profile.toml");
  const std::string_view settings = TakePart(&bytes, "== prompt.md");
  const std::string_view prompt = TakePart(&bytes, "== authors.txt");
  const std::string_view authors = TakePart(&bytes, "== title_prompt.md");
  std::ofstream(dir.File("profile.toml")) << settings;
  std::ofstream(dir.File("prompt.md")) << prompt;
  if (!authors.empty()) std::ofstream(dir.File("authors.txt")) << authors;
  if (!bytes.empty()) std::ofstream(dir.File("title_prompt.md")) << bytes;
}

void CheckProfile(const wire::Profile& profile) {
  FUZZ_CHECK(!profile.name().empty() && profile.name() != "site");
  FUZZ_CHECK(profile.name().find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") ==
             std::string::npos);
  FUZZ_CHECK(profile.categories_size() > 0 && profile.announce_types_size() > 0);
  FUZZ_CHECK(profile.batch_size() >= 1 && profile.batch_size() <= kMaxBatchSize);
  FUZZ_CHECK(profile.budget_picodollars_per_day() >= 0);
  FUZZ_CHECK(profile.budget_picodollars_per_digest() >= 0);
  FUZZ_CHECK(RenderPrompt(profile.prompt(), wire::STAGE_ABSTRACT, {}).ok());
  FUZZ_CHECK(ParseAuthors(profile.authors(), "authors.txt").ok());
  // The wire takes it.
  wire::Profile again;
  FUZZ_CHECK(again.ParseFromString(profile.SerializeAsString()));
}

}  // namespace

FUZZ_TARGET(profile, bytes) {
  static const TempDir dir;
  for (const char* file : {"authors.txt", "title_prompt.md"}) {
    std::filesystem::remove(dir.File(file));
  }
  WriteFiles(bytes, dir);
  const Result<wire::Profile> profile = LoadProfile(dir.path());
  if (!profile) return CheckError(profile.error());
  CheckProfile(*profile);
  FUZZ_CHECK(LoadProfile(dir.path())->revision() == profile->revision());
}

}  // namespace paperboy::fuzz
