// Runs the scenes; see --help.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "spdlog/spdlog.h"
#include "tests/simulation/scaling/figures.h"
#include "tests/simulation/scaling/plot.h"

namespace paperboy::sim {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// The chart as tests/chart/scaling.mjs reads it. The scorers' options are those of the
// manifest; but for the provider's address and the key's file.
ChartSettings ReadChart(const std::string& path) {
  std::ifstream file(path);
  const auto json = nlohmann::json::parse(file);
  ChartSettings chart;
  const auto whole = [&](const char* key) { return json.at(key).get<int>(); };
  chart.autoscaler = {.polling = seconds(whole("pollingInterval")),
                      .cooldown = seconds(whole("cooldownPeriod")),
                      .up_window = seconds(whole("scaleUpWindow")),
                      .down_window = seconds(whole("scaleDownWindow")),
                      .least = whole("minReplicaCount"),
                      .most = whole("maxReplicaCount")};
  chart.grace = seconds(whole("grace"));
  std::vector<std::string> arguments = {"paperboy-scorer"};
  for (const std::string argument : json.at("args")) {
    if (!argument.starts_with("--api-key-file")) arguments.push_back(argument);
  }
  arguments.push_back(std::string("--llm-url=http://") + Model::kName + "/v1");
  std::vector<const char*> argv;
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  Options options = ScorerOptions();
  const auto parsed = options.Parse(static_cast<int>(argv.size()), argv.data(),
                                    [](const char*) -> char* { return nullptr; });
  if (!parsed) throw std::runtime_error(parsed.error().message);
  const auto scorer = ReadScorerSettings(options, "");
  if (!scorer) throw std::runtime_error(scorer.error().message);
  chart.scorer = *scorer;
  return chart;
}

// From Wednesday 08:00 in New York for a day: the CronJob's time is 00:30.
void Day(Scene* scene) {
  scene->Phase("the day", seconds(0), [] {});
  scene->Fetch("2026-09-17", hours(16) + minutes(30));
  scene->Run(hours(24));
}

// 30 announcements, read at arXiv's pace. The provider lowers the quota without notice, is out
// for a while, and grants more, of which an upgrade tells the scorers.
void Backfill(Scene* scene) {
  const auto& limits = scene->chart().scorer.limits;
  const auto rpm = static_cast<double>(limits.rpm), tpm = static_cast<double>(limits.tpm);
  scene->Phase("backfill", seconds(0), [] {});
  date::sys_days day = *ParseDate("2026-08-03");
  for (int i = 0; i < 30; day += date::days(1)) {
    if (date::weekday(day) == date::Saturday || date::weekday(day) == date::Sunday) continue;
    scene->Fetch(FormatDate(day), minutes(5) + seconds(20 * i++));
  }
  scene->Phase("quota lowered", minutes(20), [=] { scene->SetQuota(60, tpm); });
  scene->Phase("provider out", minutes(35), [=] { scene->SetOut(true); });
  scene->Phase("provider back", minutes(45), [=] { scene->SetOut(false); });
  scene->Phase("quota raised", minutes(55), [=] {
    scene->SetQuota(1.5 * rpm, 1.5 * tpm);
    scene->Upgrade(limits.rpm * 3 / 2, limits.tpm * 3 / 2);
  });
  scene->Run(minutes(110));
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Scales the scorers by desired_scorers on virtual time, with KEDA as the chart sets it.\n"
      "Prints how it went; the exit code is 1 if it did not go as it should.");
  std::string chart, name, plot;
  bool tell = false;
  app.add_option("scene", name, "day or backfill")
      ->required()
      ->check(CLI::IsMember({"day", "backfill"}));
  app.add_option("--chart", chart, "What tests/chart/scaling.mjs read of the chart")->required();
  app.add_option("--plot", plot, "Draws it, as SVG");
  app.add_flag("--tell", tell, "Tells the story");
  CLI11_PARSE(app, argc, argv);
  spdlog::set_level(tell ? spdlog::level::info : spdlog::level::off);
  World world(1);
  if (tell) world.TellStory();
  Scene scene(world, ReadChart(chart), name == "day" ? 3 : 1);
  (name == "day" ? Day : Backfill)(&scene);
  const bool holds = Report(world, &scene);
  if (!plot.empty()) std::ofstream(plot) << PlotOf(scene);
  return holds ? 0 : 1;
}

}  // namespace
}  // namespace paperboy::sim

int main(int argc, char** argv) { return paperboy::sim::Main(argc, argv); }
