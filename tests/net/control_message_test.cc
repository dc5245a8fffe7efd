#include "runtime/net/control_message.h"

#include <catch2/catch.hpp>

#include "proto/control.pb.h"

namespace millrace::net {

TEST_CASE("message_text leaves UTF-8 as it is", "[net][control_message]") {
    for (const std::string text :
         {"", "a", "caf\u00e9", "\u20ac", "\U0001f600", "\ud7ff\ue000", "\U00010000\U0010ffff"}) {
        REQUIRE(message_text(text) == text);
    }
    REQUIRE(message_text(std::string(1, '\0')) == std::string(1, '\0'));
}

TEST_CASE("message_text replaces what is not UTF-8", "[net][control_message]") {
    const std::string mark = "\ufffd";
    REQUIRE(message_text("caf\xe9,") == "caf" + mark + ",");
    // Cut off, overlong, a surrogate, beyond the last code point, and bytes that never stand.
    REQUIRE(message_text("\xe2\x82") == mark + mark);
    REQUIRE(message_text("\xc0\xaf") == mark + mark);
    REQUIRE(message_text("\xe0\x80\xaf") == mark + mark + mark);
    REQUIRE(message_text("\xed\xa0\x80") == mark + mark + mark);
    REQUIRE(message_text("\xf4\x90\x80\x80") == mark + mark + mark + mark);
    REQUIRE(message_text("\xff\x80") == mark + mark);
}

TEST_CASE("A control message with a text from outside can be read by its receiver",
          "[net][control_message]") {
    proto::ControlMessage message;
    proto::ControlMessage read;
    message.mutable_deployed()->set_error(message_text("no column caf\xe9"));
    REQUIRE(decode_message(message.SerializeAsString(), read));
    REQUIRE(read.deployed().error() == "no column caf\ufffd");
}

}  // namespace millrace::net
