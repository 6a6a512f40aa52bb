#include "fetcher/arxiv_client.h"

#include "common/redis_keys.h"

namespace paperboy {
namespace {

bool AsksToWait(const HttpResponse& response) {
  const int status = response.status;
  if (status == 406 || status == 429 || status == 503) return true;
  return status == 200 && response.body.size() < 200 &&
         response.body.find("Rate exceeded") != std::string::npos;
}

Manners ArxivManners(const ArxivClient::Config& config) {
  Manners manners;
  manners.who = "arXiv";
  manners.lock = redis_keys::ArxivLock();
  manners.end = redis_keys::ArxivEnd();
  manners.owner = config.owner;
  manners.interval = config.interval;
  manners.scale = config.interval.count() / 3;
  // It stalls for 15 to 30 s under load before it answers.
  manners.request_timeout = std::chrono::seconds(60);
  // Redis knows of no request: it lost its data, or this is the first one. If one is in
  // flight, its holder renews the lock within this time (renewal, and at most 1 s to
  // reconnect).
  manners.hold_off = std::chrono::seconds(5);
  manners.first_back_off = std::chrono::minutes(1);
  manners.max_back_off = std::chrono::minutes(15);
  manners.asks_to_wait = AsksToWait;
  return manners;
}

}  // namespace

ArxivClient::ArxivClient(Pump& pump, Redis& redis, HttpClient& http, Progress& progress,
                         Clock clock, Config config)
    : config_(std::move(config)),
      client_(pump, redis, http, progress, std::move(clock), ArxivManners(config_)) {}

Status ArxivClient::Get(const std::string& url, MonotonicTime deadline, const Accept& accept,
                        const Headers& headers) {
  HttpRequest request;
  request.url = url;
  request.follow_redirects = true;
  request.headers = {{"User-Agent", "paperboy/" PAPERBOY_VERSION " (+" + config_.contact + ")"},
                     {"Accept", "application/atom+xml, text/xml, */*"}};
  request.headers.insert(request.headers.end(), headers.begin(), headers.end());
  return client_.Ask(request, deadline, accept);
}

}  // namespace paperboy
