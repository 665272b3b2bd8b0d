// Every header, in alphabetical order (all_headers.hpp is written by run.sh).
#include "all_headers.hpp"

const char* name_of_other();

int main() { return name_of_other() == nullptr ? 1 : 0; }
