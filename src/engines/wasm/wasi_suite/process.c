/* Arguments, environment, clocks, random numbers, yielding, signals. Started with the arguments "one" and "zwei ü". */
#include "suite.h"

static char texts[20000];
static char *list[300];

static int has(u32 count, const char *entry) {
  for (u32 at = 0; at < count; at++) if (length(list[at]) == length(entry) && same(list[at], entry, length(entry))) return 1;
  return 0;
}

void _start(void) {
  begin();
  u32 count, size;
  is("args_sizes_get", args_sizes_get(&count, &size), OK);
  is("three arguments with the module's name", count, 3);
  is("args_get", args_get(list, texts), OK);
  is("the first argument", same(list[1], "one", 4), 1);
  is("an argument in UTF-8", same(list[2], "zwei \xc3\xbc", 8), 1);
  is("arguments lie one behind the other", list[2] - list[1], 4);
  is("and take what they were said to", list[2] + length(list[2]) + 1 - texts, size);
  is("environ_sizes_get", environ_sizes_get(&count, &size), OK);
  is("environ_get", environ_get(list, texts), OK);
  is("a variable of the function", has(count, "COLOR=gr\xc3\xbcn"), 1);
  is("an empty variable", has(count, "EMPTY="), 1);
  is("the request's method", has(count, "REQUEST_METHOD=GET"), 1);

  u64 resolution, first, second;
  for (u32 clock = 0; clock < 4; clock++) {
    is("clock_res_get", clock_res_get(clock, &resolution), OK);
    is("a resolution from a nanosecond to a second", resolution > 0 && resolution < 1000000000, 1);
    is("clock_time_get", clock_time_get(clock, 1, &first), OK);
    clock_time_get(clock, 1, &second);
    is("time does not run back", second >= first, 1);
  }
  clock_time_get(0, 1, &first);
  is("the time of day is after 2024", first > 1704067200000000000ull, 1);
  is("clock_time_get of no clock", clock_time_get(99, 1, &first), INVAL);
  is("clock_res_get of no clock", clock_res_get(99, &first), INVAL);

  static u8 random[100000];
  is("random_get of nothing", random_get(random, 0), OK);
  is("random_get of many bytes", random_get(random, sizeof random), OK);
  u32 zeros = 0;
  for (u32 at = 0; at < sizeof random; at++) zeros += random[at] == 0;
  is("they are random", zeros > 200 && zeros < 600, 1);
  is("sched_yield", sched_yield(), OK);
  is("proc_raise is not there", proc_raise(1), NOTSUP);
}
