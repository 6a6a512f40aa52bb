#include "common/key_access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "aggregator/make_keys.h"
#include "common/keys.h"
#include "common/log.h"
#include "tests/support/temp_dir.h"

namespace paperboy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class KeyAccessTest : public testing::Test {
 protected:
  KeyAccessTest() { EXPECT_TRUE(MakeKeys(keys_).ok()); }

  void SetMode(const std::string& path, mode_t mode) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0) << path;
  }
  std::vector<std::string> Open(const std::string& role) const {
    return OpenToOthers(keys_, role, me_);
  }

  TempDir dir_;
  const std::string keys_ = dir_.File("keys");
  const uid_t me_ = ::geteuid();
};

TEST_F(KeyAccessTest, WhatTheProgramMakesIsItsOwners) {
  for (const char* role : {"aggregator", "fetcher", "scorer"}) {
    EXPECT_THAT(Open(role), IsEmpty()) << role;
  }
}

TEST_F(KeyAccessTest, AFolderThatOthersCanWriteIsNamedWithWhatToDo) {
  for (const mode_t mode : {0770U, 0702U, 0777U}) {
    SetMode(keys_, mode);
    EXPECT_THAT(Open("scorer"),
                ElementsAre(AllOf(HasSubstr(keys_ + " (mode 07"), HasSubstr("others can put"),
                                  HasSubstr("chmod go-w " + keys_))));
  }
}

TEST_F(KeyAccessTest, AListThatOthersCanWriteIsNamedToTheAggregatorOnly) {
  const std::string list = AllowFile(keys_, "scorer");
  for (const mode_t mode : {0664U, 0646U}) {
    SetMode(list, mode);
    EXPECT_THAT(Open("aggregator"), ElementsAre(AllOf(HasSubstr(list + " (mode 06"),
                                                      HasSubstr("others can change it"))));
    EXPECT_THAT(Open("scorer"), IsEmpty());
  }
}

TEST_F(KeyAccessTest, APeerHearsOfAPublicKeyThatOthersCanWrite) {
  SetMode(PublicKeyFile(keys_), 0666);
  EXPECT_THAT(Open("fetcher"), ElementsAre(HasSubstr("aggregator.pub (mode 0666)")));
}

TEST_F(KeyAccessTest, ASecretThatOthersCanReadIsNamed) {
  const std::string key = KeyFile(keys_, "scorer");
  for (const mode_t mode : {0640U, 0604U}) {
    SetMode(key, mode);
    EXPECT_THAT(Open("scorer"), ElementsAre(AllOf(HasSubstr(key), HasSubstr("others can read"),
                                                  HasSubstr("chmod go-r " + key))));
  }
  SetMode(key, 0620);
  EXPECT_THAT(Open("scorer"), ElementsAre(HasSubstr("others can change it")));
}

// As a kubelet mounts it: a folder for everybody, sticky; links through one that it
// exchanges; files of root's, for the pod's group to read.
TEST_F(KeyAccessTest, ASecretOfKubernetesIsAsItHasToBe) {
  namespace fs = std::filesystem;
  const std::string version = keys_ + "/..2026_09_15";
  fs::create_directory(version);
  fs::create_directory_symlink("..2026_09_15", keys_ + "/..data");
  for (const char* file :
       {"aggregator.key", "scorer.key", "aggregator.pub", "fetchers.allowed", "scorers.allowed"}) {
    fs::rename(keys_ + "/" + file, version + "/" + file);
    SetMode(version + "/" + file, 0440);
    fs::create_symlink(std::string("..data/") + file, keys_ + "/" + file);
  }
  SetMode(version, 02755);
  SetMode(keys_, 03777);
  const uid_t reader = me_ + 1;
  EXPECT_THAT(OpenToOthers(keys_, "aggregator", reader), IsEmpty());
  EXPECT_THAT(OpenToOthers(keys_, "scorer", reader), IsEmpty());
  // With Kubernetes' own defaultMode every user of the pod could read it.
  SetMode(version + "/scorer.key", 0644);
  EXPECT_THAT(OpenToOthers(keys_, "scorer", reader), ElementsAre(HasSubstr("others can read")));
}

TEST_F(KeyAccessTest, FilesThatAreMissingAreNotItsMatter) {
  EXPECT_THAT(OpenToOthers(dir_.File("none"), "scorer", me_), IsEmpty());
}

TEST_F(KeyAccessTest, ItIsLoggedOnceAndAgainWhenItChanges) {
  KeyAccess access(keys_, "scorer");
  const auto look = [&] {
    testing::internal::CaptureStderr();
    SetUpLogging("scorer", "info", "text");
    access.Look();
    return testing::internal::GetCapturedStderr();
  };
  const std::string key = KeyFile(keys_, "scorer");
  SetMode(key, 0644);
  EXPECT_THAT(look(), AllOf(HasSubstr("warn scorer: " + key + " (mode 0644)"),
                            Not(HasSubstr(ReadKeyPair(key)->secret_key))));
  EXPECT_EQ(look(), "");
  SetMode(key, 0604);
  EXPECT_THAT(look(), HasSubstr("(mode 0604)"));
  SetMode(key, 0600);
  EXPECT_EQ(look(), "");
}

}  // namespace
}  // namespace paperboy
