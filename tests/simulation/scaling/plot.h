// A scene as a picture.
#pragma once

#include <string>

#include "tests/simulation/scaling/scene.h"

namespace paperboy::sim {

// SVG: scorers wanted, running and of use above, papers that wait below, from a little
// before the work to a little after the last scorer. Phases are marked.
std::string PlotOf(const Scene& scene);

}  // namespace paperboy::sim
