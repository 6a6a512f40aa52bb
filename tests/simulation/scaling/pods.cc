#include "tests/simulation/scaling/pods.h"

#include <algorithm>

namespace paperboy::sim {

void Pods::Create() {
  auto created = std::make_unique<Pod>();
  Pod* pod = created.get();
  pod->version = version_;
  ScorerSettings scorer = scorer_;
  scorer.pod = "scorer-" + std::to_string(++created_);
  pod->node = std::make_unique<Node>(
      around_.world, scorer.pod,
      [this, scorer](Node& node) { return StartScorer(around_, scorer, node); },
      [this, pod](bool killed) {
        pod->gone = true;
        if (killed) around_.world.Violate(pod->node->name() + " did not end within its grace");
        if (!pod->leaving) around_.world.Violate(pod->node->name() + " ended by itself");
      });
  pods_.push_back(std::move(created));
  around_.world.After(around_.world.Between(settings_.least_start, settings_.longest_start), [pod] {
    if (!pod->leaving) pod->node->Boot();
  });
}

void Pods::Stop(Pod* pod) {
  pod->leaving = true;
  if (!pod->node->up()) {
    pod->gone = true;  // it had not started
    return;
  }
  pod->node->Terminate();
  around_.world.After(settings_.grace, [pod] {
    if (!pod->gone) pod->node->Kill();
  });
}

int Pods::Count(bool running_only) const {
  return static_cast<int>(std::count_if(pods_.begin(), pods_.end(), [&](const auto& pod) {
    return !pod->leaving && (!running_only || pod->node->up());
  }));
}

size_t Pods::running() const {
  return static_cast<size_t>(
      std::count_if(pods_.begin(), pods_.end(), [](const auto& pod) { return pod->node->up(); }));
}

Pods::Pod* Pods::Newest() const {
  const auto found =
      std::find_if(pods_.rbegin(), pods_.rend(), [](const auto& pod) { return !pod->leaving; });
  return found == pods_.rend() ? nullptr : found->get();
}

Pods::Pod* Pods::Old() const {
  const auto found = std::find_if(pods_.begin(), pods_.end(), [&](const auto& pod) {
    return !pod->leaving && pod->version < version_;
  });
  return found == pods_.end() ? nullptr : found->get();
}

void Pods::Reconcile(int replicas) {
  const int surge = Old() != nullptr && replicas > 0 ? 1 : 0;
  while (Count(false) < replicas + surge) Create();
  if (surge > 0 && Count(true) > replicas) Stop(Old());
  while (Count(false) > replicas + surge) Stop(Newest());
}

void Pods::Roll(const ScorerSettings& scorer) {
  scorer_ = scorer;
  ++version_;
}

}  // namespace paperboy::sim
