/* Counts visits in the KV binding `DB`, in the `handle` ABI. Needs no C library:
   clang --target=wasm32 -Oz -nostdlib -Wl,--no-entry -Wl,--strip-all counter.c -o counter.wasm */
typedef long long i64;
#define HOST __attribute__((import_module("env")))
#define TEXT(text) (text), sizeof(text) - 1

HOST __attribute__((import_name("kv_get"))) i64 kv_get(const char *, i64, const char *, i64, char *, i64);
HOST __attribute__((import_name("kv_put"))) int kv_put(const char *, i64, const char *, i64, const char *, i64, i64 ttl);
HOST __attribute__((import_name("response_set_header"))) void set_header(const char *, i64, const char *, i64);
HOST __attribute__((import_name("response_set_status_line"))) void set_status(int, const char *, i64);
HOST __attribute__((import_name("response_set_body"))) void set_body(const char *, i64);

__attribute__((export_name("handle"))) void handle(void) {
  char digits[20];
  i64 size = kv_get(TEXT("DB"), TEXT("visits"), digits, sizeof digits);
  unsigned long long visits = 0;
  for (i64 at = 0; at < size; at++) visits = visits * 10 + (digits[at] - '0');
  visits++;
  char *first = digits + sizeof digits;
  do *--first = '0' + visits % 10; while (visits /= 10);
  size = digits + sizeof digits - first;
  if (kv_put(TEXT("DB"), TEXT("visits"), first, size, 0) != 0) set_status(503, TEXT("Service Unavailable"));
  set_header(TEXT("content-type"), TEXT("text/plain"));
  set_body(first, size);
}
