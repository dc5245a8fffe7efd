#include "runtime/cli/progress_text.h"

#include <catch2/catch.hpp>

namespace millrace::cli {
namespace {

using Catch::Contains;

std::string text_of(const std::string& json) { return progress_text(boost::json::parse(json)); }

TEST_CASE("describe aligns its columns behind the longest name and puts trouble on its own line",
          "[cli][progress_text]") {
    REQUIRE(
        text_of(R"({"jid":"0a","name":"clicks","state":"RUNNING","attempt":2,"restarts":1,
        "last-failure":"TaskManager tm-1 is lost","waits-for":null,"steps":[
        {"name":"read -> a_name_longer_than_others","parallelism":4,"records-in":7,"records-out":6,
         "records-rejected":3,"pending-records":1,"busy-ms-per-second-max":120.0,
         "back-pressured-ms-per-second-max":0,"trouble":"no broker"},
        {"name":"out","parallelism":16,"records-in":6,"records-out":6}],"models":[]})") ==
        "job clicks (0a)  RUNNING  attempt 2, 1 restart\n"
        "last failure: TaskManager tm-1 is lost\n"
        "  STEP                                P          IN         OUT      BAD       LAG    "
        "BUSY BLOCKED\n"
        "  read -> a_name_longer_than_others   4           7           6        3         1    "
        "12 %     0 %\n"
        "    trouble: no broker\n"
        "  out                                16           6           6        0         0     "
        "0 %     0 %\n");
}

TEST_CASE("describe shows a model's quality only where it is measured", "[cli][progress_text]") {
    const std::string text = text_of(R"({"name":"j","models":[
        {"name":"plain","version":3,"rows-learned":9},
        {"name":"new","version":0,"rows-learned":0,"quality":{"logloss":null,"auc":null}},
        {"name":"m","version":4,"rows-learned":10,"digest":"ff","quality":{"logloss":0.25,
         "logloss-baseline":0.5,"auc":0.75,"calibration":null}}]})");
    REQUIRE_THAT(text, Contains("\n  model plain  version 3       learned 9\n"));
    REQUIRE_THAT(text, Contains("\n  model new    version 0       learned 0\n"));
    REQUIRE_THAT(text, Contains("\n  model m      version 4       learned 10  logloss 0.2500 (base "
                                "rate 0.5000)  AUC 0.7500  calibration -  digest ff\n"));
}

TEST_CASE("describe says what a job waits for", "[cli][progress_text]") {
    REQUIRE_THAT(text_of(R"({"name":"j","waits-for":"3 slots"})"),
                 Contains("\nwaits for room: 3 slots\n"));
}

}  // namespace
}  // namespace millrace::cli
