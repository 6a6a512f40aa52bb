#include "tests/simulation/scaling/plot.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "tests/simulation/scaling/figures.h"

namespace paperboy::sim {
namespace {

constexpr double kLeft = 60, kRight = 20, kWidth = 960, kTop = 30;
constexpr double kHigh = 280, kLow = 120, kGap = 40;  // of the panels, and between them
constexpr double kMargin = 5;                         // minutes before and after
constexpr double kMostTicks = 10;

class Axis {
 public:
  Axis(double from, double to, double at_from, double at_to)
      : from_(from), to_(to), at_from_(at_from), at_to_(at_to) {}
  double operator()(double value) const {
    return at_from_ + (value - from_) / (to_ - from_) * (at_to_ - at_from_);
  }

 private:
  double from_, to_, at_from_, at_to_;
};

double StepFor(double range) {
  for (double step = 1;; step *= 10) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (range / (factor * step) <= kMostTicks) return factor * step;
    }
  }
}

std::string Text(double x, double y, const char* anchor, const std::string& text) {
  return fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>)"
                     "\n",
                     x, y, anchor, text);
}

// A line of steps: a point is left out where nothing changes.
std::string Steps(const std::vector<Sample>& samples, const Axis& x, const Axis& y,
                  const std::string& style, const std::function<double(const Sample&)>& value) {
  std::string points;
  double last = NAN;
  for (const Sample& sample : samples) {
    if (value(sample) == last && &sample != &samples.back()) continue;
    if (!std::isnan(last)) points += fmt::format("{:.1f},{:.1f} ", x(sample.minute), y(last));
    last = value(sample);
    points += fmt::format("{:.1f},{:.1f} ", x(sample.minute), y(last));
  }
  return fmt::format(R"(<polyline fill="none" {} points="{}"/>)"
                     "\n",
                     style, points);
}

std::string Grid(const Axis& y, double most, const std::string& title, double top) {
  std::string svg = Text(kLeft, top - 8, "start", title);
  for (double value = 0; value <= most; value += StepFor(most)) {
    svg += fmt::format(R"(<path stroke="#ddd" d="M{} {:.1f}H{}"/>)"
                       "\n",
                       kLeft, y(value), kWidth - kRight);
    svg += Text(kLeft - 6, y(value) + 4, "end", fmt::format("{:.0f}", value));
  }
  return svg;
}

}  // namespace

std::string PlotOf(const Scene& scene) {
  const auto& all = scene.samples();
  const auto moves = [](const Sample& s) { return s.papers > 0 || s.running > 0; };
  const double from = std::find_if(all.begin(), all.end(), moves)->minute - kMargin;
  const double to = std::find_if(all.rbegin(), all.rend(), moves)->minute + kMargin;
  std::vector<Sample> samples;
  double scorers = 1, papers = 1;
  for (const Sample& sample : all) {
    if (sample.minute < from || sample.minute > to) continue;
    samples.push_back(sample);
    scorers = std::max({scorers, double(sample.desired), double(sample.running)});
    papers = std::max(papers, double(sample.papers));
  }
  const double low_top = kTop + kHigh + kGap, bottom = low_top + kLow;
  const Axis x(from, to, kLeft, kWidth - kRight);
  const Axis high(0, scorers, kTop + kHigh, kTop), low(0, papers, bottom, low_top);
  std::string svg = fmt::format(R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" )"
                                R"(font-family="sans-serif" font-size="12">)"
                                "\n"
                                R"(<rect width="100%" height="100%" fill="white"/>)"
                                "\n",
                                kWidth, bottom + 40);
  svg += Grid(high, scorers, "scorers: desired (blue), running (orange), of use (grey)", kTop);
  svg += Grid(low, papers, "papers that wait", low_top);
  const double step = StepFor(to - from);
  for (double minute = std::ceil(from / step) * step; minute <= to; minute += step) {
    svg += Text(x(minute), bottom + 16, "middle", fmt::format("{:.0f}", minute));
  }
  svg += Text(kWidth - kRight, bottom + 32, "end", "minutes");
  for (const auto& phase : scene.phases()) {
    if (phase.minute < from) continue;
    svg += fmt::format(R"(<path stroke="#999" stroke-dasharray="4 3" d="M{:.1f} {}V{}"/>)"
                       "\n",
                       x(phase.minute), kTop, bottom);
    svg += Text(x(phase.minute) + 4, kTop + 12, "start", phase.name);
  }
  svg += Steps(samples, x, high, R"(stroke="#999" stroke-dasharray="2 2")",
               [&](const Sample& s) { return OfUse(s, scene.chart()); });
  svg += Steps(samples, x, high, R"(stroke="#e69f00" stroke-width="2")",
               [](const Sample& s) { return double(s.running); });
  svg += Steps(samples, x, high, R"(stroke="#0072b2" stroke-width="1.5")",
               [](const Sample& s) { return double(s.desired); });
  svg += Steps(samples, x, low, R"(stroke="#009e73" stroke-width="1.5")",
               [](const Sample& s) { return double(s.papers); });
  return svg + "</svg>\n";
}

}  // namespace paperboy::sim
