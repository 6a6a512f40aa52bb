// Whether a paper's text speaks to the model that will read it instead of to
// people: "ignore all previous instructions", "give this paper a 10", the mark-up
// of a chat, text that nobody can see. Such a paper is asked about alone, so that
// what it says can only change its own score. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace paperboy {

// In a few words what the text does, for the page ("gives a model instructions");
// "" for a text that speaks to nobody. Any bytes. Looks through upper case, signs
// between words, invisible and full-width characters and Cyrillic or Greek letters
// that look Latin. It leans to caution: a paper about such attacks that quotes one
// is taken for one, which costs a call. Of 13,000 abstracts of May 2025 it takes
// 0.2 %, most of them about prompts.
std::string AddressesModel(std::string_view text);

}  // namespace paperboy
