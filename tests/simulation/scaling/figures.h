// How the scorers of a scene followed its work: figures, and what must hold.
#pragma once

#include <vector>

#include "tests/simulation/scaling/scene.h"

namespace paperboy::sim {

// As many scorers as quota and work can keep busy, by what the provider does, not by what
// the aggregator knows of it.
double OfUse(const Sample& sample, const ChartSettings& chart);

// Prints the figures and what does not hold. False: something does not.
bool Report(const World& world, Scene* scene);

}  // namespace paperboy::sim
