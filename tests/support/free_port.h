// Ports of 127.0.0.1 for the programs that a test starts.
#pragma once

namespace paperboy {

// A port below the range that the kernel gives to outgoing connections (32768 up): while a
// server is down nobody takes its port, and a client that tries again does not end up
// connected to itself. It is this process's until it ends: nobody is given it again, while a
// server that sets SO_REUSEADDR, as ZeroMQ and Redis do, can listen there any number of times.
// Throws std::runtime_error without one. Any thread.
int FreePort();

}  // namespace paperboy
