#include "aggregator/make_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "common/keys.h"
#include "tests/support/read_file.h"
#include "tests/support/temp_dir.h"

namespace paperboy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;
using testing::UnorderedElementsAre;

class MakeKeysTest : public testing::Test {
 protected:
  mode_t Mode(const std::string& file) const {
    struct stat facts {};
    EXPECT_EQ(::stat((folder_ + "/" + file).c_str(), &facts), 0) << file;
    return facts.st_mode & 07777;
  }

  TempDir dir_;
  const std::string folder_ = dir_.File("a/keys");
};

TEST_F(MakeKeysTest, GivesEveryRoleAPairAndListsIt) {
  const auto made = MakeKeys(folder_);
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(made->size(), 6u);
  for (const std::string role : {"fetcher", "scorer"}) {
    const Result<PeerKeys> keys = ReadPeerKeys(folder_, role);
    ASSERT_TRUE(keys.ok()) << keys.error().message;
    EXPECT_EQ(keys->aggregator, ReadKeyPair(folder_ + "/aggregator.key")->public_key);
    EXPECT_THAT(*ReadAllowList(AllowFile(folder_, role)),
                ElementsAre(Pair(keys->own.public_key, "first")));
  }
  EXPECT_NE(ReadPeerKeys(folder_, "fetcher")->own.public_key,
            ReadPeerKeys(folder_, "scorer")->own.public_key);
}

TEST_F(MakeKeysTest, SecretsAreForTheirOwnerAlone) {
  ASSERT_TRUE(MakeKeys(folder_).ok());
  ASSERT_TRUE(AddKey(folder_, "aggregator", "next").ok());
  EXPECT_EQ(Mode(""), 0700u);
  for (const char* secret :
       {"aggregator.key", "fetcher.key", "scorer.key", "aggregator-next.key"}) {
    EXPECT_EQ(Mode(secret), 0600u) << secret;
  }
}

TEST_F(MakeKeysTest, OverwritesNothing) {
  ASSERT_TRUE(MakeKeys(folder_).ok());
  ASSERT_TRUE(AddKey(folder_, "scorer", "next").ok());
  const std::string before = ReadKeyPair(folder_ + "/aggregator.key")->secret_key;
  const std::string next = ReadKeyPair(folder_ + "/scorer-next.key")->secret_key;
  const size_t listed = ReadAllowList(AllowFile(folder_, "scorer"))->size();
  for (const auto& again : {MakeKeys(folder_), AddKey(folder_, "scorer", "next")}) {
    ASSERT_FALSE(again.ok());
    EXPECT_THAT(again.error().message,
                AllOf(HasSubstr("is there already"), Not(HasSubstr(before)), Not(HasSubstr(next))));
  }
  EXPECT_EQ(ReadKeyPair(folder_ + "/aggregator.key")->secret_key, before);
  EXPECT_EQ(ReadKeyPair(folder_ + "/scorer-next.key")->secret_key, next);
  EXPECT_EQ(ReadAllowList(AllowFile(folder_, "scorer"))->size(), listed);
}

TEST_F(MakeKeysTest, AnotherKeyIsListedBesideTheFirst) {
  ASSERT_TRUE(MakeKeys(folder_).ok());
  const std::string list = AllowFile(folder_, "fetcher");
  std::filesystem::resize_file(list, std::filesystem::file_size(list) - 1);  // no line's end
  ASSERT_TRUE(AddKey(folder_, "fetcher", "lab-2").ok());
  EXPECT_THAT(
      *ReadAllowList(list),
      UnorderedElementsAre(Pair(ReadKeyPair(folder_ + "/fetcher.key")->public_key, "first"),
                           Pair(ReadKeyPair(folder_ + "/fetcher-lab-2.key")->public_key, "lab-2")));
}

// A rotation moves the file away and leaves the line.
TEST_F(MakeKeysTest, ANameIsForOneKeyOfAListOnly) {
  ASSERT_TRUE(MakeKeys(folder_).ok());
  ASSERT_TRUE(AddKey(folder_, "scorer", "next").ok());
  std::filesystem::rename(folder_ + "/scorer-next.key", folder_ + "/scorer.key");
  const std::string list = AllowFile(folder_, "scorer"), before = ReadFile(list);
  for (const char* name : {"next", "first"}) {
    const auto again = AddKey(folder_, "scorer", name);
    ASSERT_FALSE(again.ok()) << name;
    EXPECT_THAT(again.error().message,
                AllOf(HasSubstr(list + ": a key named \"" + name + "\" is there already"),
                      HasSubstr("take its line out"), HasSubstr("another one")));
  }
  EXPECT_EQ(ReadFile(list), before);
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/scorer-next.key"));
  EXPECT_TRUE(AddKey(folder_, "fetcher", "next").ok()) << "each list has names of its own";
}

TEST_F(MakeKeysTest, WrongWordsAreSaid) {
  ASSERT_TRUE(MakeKeys(folder_).ok());
  EXPECT_THAT(AddKey(folder_, "reader", "x").error().message, HasSubstr("\"reader\" has no keys"));
  EXPECT_THAT(AddKey(folder_, "scorer", "../x").error().message, HasSubstr("letters, digits"));
  EXPECT_THAT(AddKey(dir_.File("none"), "scorer", "x").error().message,
              HasSubstr("scorers.allowed cannot be read"));
}

TEST_F(MakeKeysTest, AListMayHaveRemarksAndBlankLines) {
  ASSERT_TRUE(MakeKeys(folder_).ok());
  const std::string key = ReadKeyPair(folder_ + "/scorer.key")->public_key;
  const std::string list = AllowFile(folder_, "scorer");
  std::ofstream(list) << "# of the lab\n\n  " << key << "\r\n";
  EXPECT_THAT(*ReadAllowList(list), ElementsAre(Pair(key, "")));
  std::ofstream(list) << "# of the lab\n" << key.substr(1) << " short\n";
  EXPECT_THAT(
      ReadAllowList(list).error().message,
      AllOf(HasSubstr("scorers.allowed:2: expected a public key"), Not(HasSubstr(key.substr(1)))));
}

}  // namespace
}  // namespace paperboy
