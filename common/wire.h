// The wire's version, limits and ports, shared by both ends. See
// proto/paperboy.proto for the messages.
#pragma once

#include <chrono>
#include <cstdint>

namespace paperboy {

// Raised when a peer that does not know a change would do harm.
inline constexpr uint32_t kWireMajor = 1;

// Largest frame that a bound socket accepts: a batch of 64 papers with a
// prompt, or 200 rows with their texts, stays well below.
inline constexpr int64_t kMaxFrameBytes = 16 << 20;
// Rows and papers per message.
inline constexpr int kMaxRowsPerMessage = 200;
// Rows per Forecast: a day in one message, so that its last batches are seen as such.
// It is no transaction; the aggregator needs some 0.1 s for as many.
inline constexpr int kMaxRowsPerForecast = 2'000;

// The start of the aggregator that gave a lease its number.
inline constexpr uint64_t BootOf(uint64_t lease) { return lease >> 32; }

// Heartbeats (see "Kubernetes" and "ZeroMQ" in ARCHITECTURE.md).
inline constexpr std::chrono::milliseconds kBeat{1'000};  // each side, while connected
inline constexpr std::chrono::milliseconds kSilence{
    8'000};  // a peer silent for that long is taken for dead
// A scorer whose last Ready that was heard is older begins no call: its batches may
// be somebody else's soon.
inline constexpr std::chrono::milliseconds kHeardLately{kSilence - 2 * kBeat};
inline constexpr std::chrono::milliseconds kReplyTimeout{
    5'000};  // a request unanswered is sent again

// ZeroMQ's own heartbeat: interval, time-out, time to live. It notices a dead
// TCP peer, not a hung program.
inline constexpr int kZmqHeartbeatIvlMs = 2'000;
inline constexpr int kZmqHeartbeatTimeoutMs = 6'000;

}  // namespace paperboy
