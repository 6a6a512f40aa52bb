#include "fetcher/file_source.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "common/announce_type.h"
#include "common/eastern.h"
#include "common/text.h"

namespace paperboy {
namespace {

using nlohmann::json;

constexpr size_t kValueShown = 40;  // characters of a bad value in a message
constexpr size_t kKeysNamed = 8;

constexpr std::array<std::string_view, 10> kKeys = {
    "id",         "version",          "title",         "abstract",  "authors",
    "categories", "primary_category", "announce_type", "published", "updated"};

struct FieldError {
  std::string message;
};

std::string Shown(std::string_view raw) {
  const std::string text = CleanText(raw);
  const std::string cut = CutChars(text, kValueShown);
  return "'" + cut + (cut.size() < text.size() ? "...'" : "'");
}

// A value, or null when the key is missing or null.
const json* Find(const json& object, const char* key) {
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

std::string Text(const json& object, const char* key, bool required) {
  const json* value = Find(object, key);
  if (value == nullptr) {
    if (required) throw FieldError{"no " + std::string(key)};
    return "";
  }
  if (!value->is_string()) throw FieldError{std::string(key) + " is not a string"};
  return value->get<std::string>();
}

std::vector<std::string> Texts(const json& object, const char* key, bool required) {
  const json* value = Find(object, key);
  if (value == nullptr) {
    if (required) throw FieldError{"no " + std::string(key)};
    return {};
  }
  const bool strings =
      value->is_array() &&
      std::all_of(value->begin(), value->end(), [](const json& e) { return e.is_string(); });
  if (!strings) throw FieldError{std::string(key) + " is not a list of strings"};
  return value->get<std::vector<std::string>>();
}

// 0 is an unknown version, in both places.
unsigned Version(const json& object, unsigned in_id) {
  const json* value = Find(object, "version");
  if (value == nullptr) return in_id;
  if (!value->is_number_unsigned() ||
      value->get<uint64_t>() > std::numeric_limits<int32_t>::max()) {
    throw FieldError{"version is not a whole number: " + Shown(value->dump())};
  }
  const auto version = value->get<unsigned>();
  if (version != 0 && in_id != 0 && version != in_id) {
    throw FieldError{"id says version " + std::to_string(in_id) + ", version says " +
                     std::to_string(version)};
  }
  return std::max(version, in_id);
}

std::string IsoDate(const json& object, const char* key, LineNotes* notes) {
  const std::string text = Text(object, key, false);
  const bool good = text.empty() || (text.size() <= 40 && ParseDate(text.substr(0, 10)).ok() &&
                                     (text.size() == 10 || text[10] == 'T' || text[10] == ' ') &&
                                     text.find_first_not_of("0123456789:.+-TZ ") == text.npos);
  if (good) return text;
  ++notes->dropped_dates;
  return "";
}

wire::Row RowOf(const json& object, LineNotes* notes) {
  const std::string id_text = Text(object, "id", true);
  const ArxivId id = ParseArxivId(id_text);
  if (!id.ok()) throw FieldError{"not an arXiv id: " + Shown(id_text)};

  wire::Row row;
  row.set_id(id.id);
  row.set_version(Version(object, id.version));
  row.set_primary_category(CleanText(Text(object, "primary_category", false)));
  if (const std::string type = Text(object, "announce_type", false); !type.empty()) {
    const auto known = ParseAnnounceType(type);
    if (!known) {
      throw FieldError{"announce_type " + Shown(type) +
                       " is none of new, cross, replace, replace-cross"};
    }
    row.set_announce_type(*known);
  }
  wire::Paper* paper = row.mutable_paper();
  paper->set_title(CleanText(Text(object, "title", true)));
  if (paper->title().empty()) throw FieldError{"empty title"};
  paper->set_abstract(CleanText(Text(object, "abstract", true)));
  for (const std::string& author : Texts(object, "authors", true)) {
    if (std::string name = CleanText(author); !name.empty()) paper->add_authors(std::move(name));
  }
  for (const std::string& category : Texts(object, "categories", false)) {
    if (std::string name = CleanText(category); !name.empty()) {
      paper->add_categories(std::move(name));
    }
  }
  paper->set_published(IsoDate(object, "published", notes));
  paper->set_updated(IsoDate(object, "updated", notes));
  for (const auto& item : object.items()) {
    const auto& seen = notes->unknown_keys;
    const std::string key = CutChars(CleanText(item.key()), kValueShown);
    if (std::find(kKeys.begin(), kKeys.end(), item.key()) == kKeys.end() &&
        std::find(seen.begin(), seen.end(), key) == seen.end() && seen.size() <= kKeysNamed) {
      notes->unknown_keys.push_back(key);
    }
  }
  return row;
}

// Lines of a plain or compressed file.
class LineReader {
 public:
  explicit LineReader(gzFile file) : file_(file) {}

  // False at the end or on an error. Of a line longer than kMaxLineBytes only
  // the beginning is kept and `too_long` set.
  bool Next(std::string* line, bool* too_long) {
    line->clear();
    *too_long = false;
    bool any = false;
    while (begin_ < end_ || Fill()) {
      any = true;
      const char* data = buffer_.data() + begin_;
      const char* newline = static_cast<const char*>(std::memchr(data, '\n', end_ - begin_));
      const size_t size = newline == nullptr ? end_ - begin_ : newline - data;
      const size_t room = kMaxLineBytes - line->size();
      line->append(data, std::min(size, room));
      *too_long |= size > room;
      begin_ += size + (newline == nullptr ? 0 : 1);
      if (newline != nullptr) return true;
    }
    return any;
  }

  // Why Next stopped before the end of the file; empty at its end.
  std::string Trouble() const {
    int code = Z_OK;
    const char* text = gzerror(file_, &code);
    if (code == Z_OK || code == Z_STREAM_END) return "";
    return code == Z_ERRNO ? std::strerror(errno) : text;
  }

 private:
  bool Fill() {
    const int got = gzread(file_, buffer_.data(), static_cast<unsigned>(buffer_.size()));
    begin_ = 0;
    end_ = got > 0 ? got : 0;
    return got > 0;
  }

  gzFile file_;
  std::vector<char> buffer_ = std::vector<char>(1 << 16);
  size_t begin_ = 0;
  size_t end_ = 0;
};

bool Blank(std::string_view line) { return line.find_first_not_of(" \t\r") == line.npos; }

void AddWarnings(const LineNotes& notes, ListingBuilder* list) {
  if (!notes.unknown_keys.empty()) {
    list->Warn("unknown keys, ignored: " +
               NameSome(notes.unknown_keys, notes.unknown_keys.size(), kKeysNamed));
  }
  if (notes.dropped_dates > 0) {
    list->Warn("left out: " + Counted(notes.dropped_dates, "date") + " not in ISO 8601");
  }
  if (notes.mended_bytes > 0) {
    list->Warn("replaced: " + Counted(notes.mended_bytes, "byte") + " not in UTF-8");
  }
}

}  // namespace

Result<wire::Row> ParsePaperLine(std::string_view line, LineNotes* notes) try {
  const json object = json::parse(ValidUtf8(line, &notes->mended_bytes));
  if (!object.is_object()) return Invalid("not a JSON object");
  return RowOf(object, notes);
} catch (const FieldError& e) {
  return Invalid(e.message);
} catch (const json::parse_error& e) {
  return Invalid("bad JSON at column " + std::to_string(e.byte));
} catch (const json::exception& e) {
  return Invalid(std::string("bad JSON: ") + e.what());  // a number beyond any range
}

Result<Listing> ReadPaperFile(const std::string& path) {
  // A pipe or a device could keep the reader for ever, beyond deadline and signal.
  std::error_code error;
  if (const auto status = std::filesystem::status(path, error);
      std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    return Invalid("cannot read the papers in " + path + ": it is not a regular file");
  }
  errno = 0;
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) {
    return Invalid("cannot read the papers in " + path + ": " +
                   (errno == 0 ? "out of memory" : std::strerror(errno)));
  }
  ListingBuilder list(kAnyCategory, "");
  LineReader reader(file.get());
  LineNotes notes;
  std::string line;
  bool too_long = false;
  size_t number = 1;
  for (; reader.Next(&line, &too_long); ++number) {
    const std::string place = "line " + std::to_string(number);
    std::string_view text = line;
    if (number == 1 && text.substr(0, 3) == "\xef\xbb\xbf") text.remove_prefix(3);
    if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
    if (Blank(text)) continue;
    if (list.size() == kMaxLines) {
      return Invalid(path + " has more than " + std::to_string(kMaxLines) +
                     " papers; give each announcement date a file of its own");
    }
    if (too_long) {
      list.Refuse(place, "longer than " + std::to_string(kMaxLineBytes) + " bytes");
      continue;
    }
    Result<wire::Row> row = ParsePaperLine(text, &notes);
    if (row) {
      list.Add(std::move(*row));
    } else {
      list.Refuse(place, row.error().message);
    }
  }
  if (const std::string trouble = reader.Trouble(); !trouble.empty()) {
    return Invalid(path + " is damaged or cut off: " + trouble);
  }
  // A quiet day is a file of blank lines; nothing at all is a download that failed.
  if (number == 1) {
    return Invalid(path + " is empty; for a day without papers it must hold an empty line");
  }
  AddWarnings(notes, &list);
  return list.Take();
}

}  // namespace paperboy
