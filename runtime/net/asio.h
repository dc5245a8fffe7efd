// The only door to Boost.Asio: nothing outside the .cc files of this folder includes it.
//
// Asio's implementation is compiled once, in asio.cc (BOOST_ASIO_SEPARATE_COMPILATION), because
// every file that includes it otherwise costs some ten seconds to build.

#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

namespace millrace::net {

namespace asio = boost::asio;
using asio::ip::tcp;

}  // namespace millrace::net
