// Every header again, in the reverse order and with the other settings: nothing may clash when the two are linked.
#include "all_headers_reversed.hpp"

const char* name_of_other();
const char* name_of_other() { return "two"; }
