// The main program of a simulated server.
#pragma once

#include <csignal>
#include <exception>
#include <functional>
#include <iostream>
#include <memory>

namespace paperboy {

// Starts what `make` returns (with Start() and port()), prints "listening PORT",
// and stops it on SIGTERM or SIGINT. Returns the exit status: 1 when it cannot
// be made or started, with the reason on standard error.
template <class Server>
int ServeUntilSignal(const char* name, const std::function<std::unique_ptr<Server>()>& make) {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  try {
    const std::unique_ptr<Server> server = make();
    server->Start();
    std::cout << "listening " << server->port() << std::endl;
    int signal = 0;
    sigwait(&stop, &signal);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << name << ": " << error.what() << "\n";
    return 1;
  }
}

}  // namespace paperboy
