// Ratings texts that cannot be used, and a part of the message that each must get. The table in docs/data.md is
// printed from it.
#pragma once

#include <string_view>

namespace thaw_test {

struct BadRatings {
  std::string_view what;  // for the table
  std::string_view name;  // of the pretended file
  std::string_view bytes;
  std::string_view message;  // expected in the fault
};

using namespace std::string_view_literals;

inline constexpr BadRatings kBadRatings[] = {
    {"empty file", "r.csv", "", "r.csv: expected ratings, found an empty file"},
    {"only line ends", "r.csv", "\r\n\r\n", "r.csv: expected ratings, found an empty file"},
    {"only a header", "r.csv", "user,item,rating\n", "r.csv: expected ratings, found only a header"},
    {"one column", "r.txt", "1\n2\n", "r.txt, line 1: expected columns separated by"},
    {"two columns, no rating", "r.csv", "1,2\n3,4\n", "r.csv, line 1: expected a column for the rating"},
    {"header without rating", "r.csv", "userId,movieId,tag\n1,2,fun\n",
     "r.csv, line 1: expected a column for the rating"},
    {"unknown header", "r.csv", "who,what,how\n1,2,3\n",
     "r.csv, line 1, column 3 (rating): expected a number, or a header"},
    {"missing field", "r.dat", "1::2::3\n1::4\n", "r.dat, line 2: expected 3 columns as in line 1, found 2"},
    {"extra field", "r.tsv", "1\t2\t3\n1\t4\t3\t9\n", "r.tsv, line 2: expected 3 columns as in line 1, found 4"},
    {"rating is no number", "r.csv", "user,item,rating\n1,2,four\n",
     "r.csv, line 2, column 3 (rating): expected a number, found \"four\""},
    {"rating is missing", "r.csv", "1,2,3\n1,4,\n", "r.csv, line 2, column 3 (rating): expected a number, found \"\""},
    {"decimal comma", "r.csv", "1;2;3\n1;4;3,5\n",
     "r.csv, line 2, column 3 (rating): expected a number, found \"3,5\""},
    {"rating is nan", "r.csv", "1,2,3\n1,3,nan\n",
     "r.csv, line 2, column 3 (rating): expected a finite number, found \"nan\""},
    {"rating is infinite", "r.csv", "1,2,3\n1,3,-inf\n",
     "r.csv, line 2, column 3 (rating): expected a finite number, found \"-inf\""},
    {"rating beyond float", "r.csv", "1,2,3\n1,3,1e300\n",
     "r.csv, line 2, column 3 (rating): expected a finite number, found \"1e300\""},
    {"empty user", "r.dat", "1::2::3\n::4::5\n", "r.dat, line 2, column 1 (user): expected an id, found nothing"},
    {"blank item", "r.csv", "1,2,3\n1,  ,5\n", "r.csv, line 2, column 2 (item): expected an id, found nothing"},
    {"same pair twice", "r.csv", "user,item,rating\n7,8,3\n7,9,3\n7,8,4\n",
     "r.csv, line 4: expected one rating of user \"7\" for item \"8\", found a second one; the first is in line 2"},
    {"time is text", "r.tsv", "1\t2\t3\ttrain\n",
     "r.tsv, line 1, column 4 (time): expected a Unix time, found \"train\""},
    {"time is negative", "r.tsv", "1\t2\t3\t-5\n",
     "r.tsv, line 1, column 4 (time): expected a Unix time, found \"-5\""},
    {"time after the year 9999", "r.tsv", "1\t2\t3\t99999999999999999999\n",
     "r.tsv, line 1, column 4 (time): expected a Unix time"},
    {"time is nan", "r.tsv", "1\t2\t3\tnan\n", "r.tsv, line 1, column 4 (time): expected a Unix time, found \"nan\""},
    {"empty line in between", "r.csv", "1,2,3\n\n1,3,4\n", "r.csv, line 2: expected a record, found an empty line"},
    {"quote never closed", "r.csv", "1,2,3\n1,\"4,5\n", "r.csv, line 2: column 2: a quote is opened and never closed"},
    {"quote inside a field", "r.csv", "1,2,3\n1,4\"x,5\n", "r.csv, line 2: column 2: found a quote inside a field"},
    {"text behind a quote", "r.csv", "1,2,3\n1,\"4\"x,5\n",
     "r.csv, line 2: column 2: expected a separator or the line end behind the closing quote, found \"x\""},
    {"old Mac line ends", "r.csv", "1,2,3\r1,3,4\r", "r.csv, line 1: found a carriage return inside the line"},
    {"Latin-1 id", "r.csv", "1,2,3\nJos\xe9,2,3\n", "r.csv, line 2, byte 4: expected UTF-8, found byte 233"},
    {"UTF-16 with mark", "r.csv",
     "\xff\xfe"
     "1\0,\0"
     "2\0"sv,
     "r.csv: the file is UTF-16; convert it with: iconv"},
    {"UTF-16 without mark", "r.csv",
     "1\0,\0"
     "2\0"sv,
     "r.csv, line 1: expected text, found a zero byte"},
    {"zero byte in an id", "r.csv",
     "1,2,3\n1,\0"
     "4,3\n"sv,
     "r.csv, line 2: expected text, found a zero byte"},
};

}  // namespace thaw_test
