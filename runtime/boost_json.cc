// The one place where Boost.JSON is compiled; its users include <boost/json.hpp>.
#include <boost/json/src.hpp>
