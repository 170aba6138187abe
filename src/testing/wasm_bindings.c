/* Keeps and finds texts by the binding `B`, or sends them by it, of whichever type it is: what the conformance suites of bindings ask a module.
   Answers `?do=write|read|kind` with JSON, and `?do=own` with what only modules can do wrong. */
typedef unsigned int u32;
typedef long long s64;

#define HOST(result, name) __attribute__((import_module("env"), import_name(#name))) extern result name
HOST(void, response_set_body)(const void *, s64);
HOST(s64, request_url)(void *, s64);
HOST(s64, last_value)(void *, s64);
HOST(s64, kv_get)(const void *, s64, const void *, s64, void *, s64);
HOST(int, kv_put)(const void *, s64, const void *, s64, const void *, s64, s64);
HOST(int, kv_delete)(const void *, s64, const void *, s64);
HOST(s64, kv_list)(const void *, s64, const void *, s64, void *, s64);
HOST(s64, sql_query)(const void *, s64, const void *, s64, const void *, s64, void *, s64);
HOST(s64, sql_batch)(const void *, s64, const void *, s64, void *, s64);
HOST(s64, blob_get)(const void *, s64, const void *, s64, void *, s64);
HOST(s64, blob_read)(const void *, s64, const void *, s64, s64, void *, s64);
HOST(s64, blob_head)(const void *, s64, const void *, s64, void *, s64);
HOST(int, blob_put)(const void *, s64, const void *, s64, const void *, s64, const void *, s64);
HOST(int, blob_delete)(const void *, s64, const void *, s64);
HOST(s64, blob_list)(const void *, s64, const void *, s64, void *, s64);
HOST(int, queue_send)(const void *, s64, const void *, s64, const void *, s64);
HOST(s64, http_request)(const void *, s64, const void *, s64, const void *, s64, void *, s64);

static char url[4096], what[64], id[256], text[1024], got[65536], answer[131072], json[4096];
static u32 filled;

static u32 length(const char *of) {
  u32 size = 0;
  while (of[size]) size++;
  return size;
}
static int begins(const char *of, const char *with) {
  while (*with) if (*of++ != *with++) return 0;
  return 1;
}
static const char *find(const char *in, const char *part) {
  for (; *in; in++) if (begins(in, part)) return in;
  return 0;
}
static void say(const char *words) {
  while (*words) answer[filled++] = *words++;
}
static void say_number(s64 value) {
  char digits[24];
  int at = 23;
  digits[at] = 0;
  if (value < 0) { say("-"); value = -value; }
  do digits[--at] = '0' + value % 10; while (value /= 10);
  say(digits + at);
}
static int hex(char digit) { return digit <= '9' ? digit - '0' : (digit | 32) - 'a' + 10; }
static void parameter(const char *name, char *into) {
  const char *at = find(url, "?");
  *into = 0;
  while (at) {
    at++;
    if (begins(at, name) && at[length(name)] == '=') break;
    at = find(at, "&");
  }
  if (!at) return;
  for (at += length(name) + 1; *at && *at != '&'; at++) {
    if (*at == '%') { *into++ = hex(at[1]) * 16 + hex(at[2]); at += 2; }
    else *into++ = *at == '+' ? ' ' : *at;
  }
  *into = 0;
}
/* What the last call has given, as a text. */
static const char *last(void) {
  s64 size = last_value(got, sizeof got - 1);
  got[size < (s64)sizeof got ? size : 0] = 0;
  return got;
}
static const char *joined(const char *first, const char *second, const char *third, const char *fourth, const char *fifth) {
  const char *parts[] = {first, second, third, fourth, fifth};
  u32 size = 0;
  for (int part = 0; part < 5; part++) for (const char *at = parts[part]; *at; at++) json[size++] = *at;
  json[size] = 0;
  return json;
}
#define T(of) (of), length(of)
enum { NONE, KV, SQL, BLOB, QUEUE, FUNCTION };
static int type_of_binding(void) {
  if (kv_get(T("B"), T("?"), got, 0) != -2 || !find(last(), "has no kv binding")) return KV;
  if (sql_query(T("B"), T("SELECT 1"), "", 0, got, 0) != -2 || !find(last(), "has no sql binding")) return SQL;
  if (blob_head(T("B"), T("?"), got, 0) != -2 || !find(last(), "has no blob binding")) return BLOB;
  if (queue_send(T("B"), T("?"), T("{\"contentType\": \"none\"}")) != -2 || !find(last(), "has no queue binding")) return QUEUE;
  if (http_request(T("B"), T("{\"url\": \"ftp://x/\"}"), "", 0, got, 0) != -2 || !find(last(), "has no function binding")) return FUNCTION;
  return NONE;
}
/* The error that the last call has given, as programs of the other engines tell of theirs. */
static void say_error(void) {
  const char *error = last();
  say("{\"isError\": true, ");
  say(error[0] == '{' ? error + 1 : "}");
}
static void say_text(const char *found) {
  say("{\"value\": ");
  if (!found) say("null");
  else { say("\""); say(found); say("\""); }
  say("}");
}

/* Sends a text to whatever is bound. */
static void send_text(int type, const char *sent) {
  if (type == QUEUE && queue_send(T("B"), T(sent), T("{\"contentType\": \"text\"}")) != -2) return say_text(0);
  if (type == FUNCTION && http_request(T("B"), T(joined("{\"url\": \"http://x/?text=", sent, "\"}", "", "")), "", 0, got, 0) != -2)
    return say_text(last());
  say_error();
}
static void write_text(int type) {
  if (type == QUEUE || type == FUNCTION) return send_text(type, text);
  const char *create = "[[\"CREATE TABLE IF NOT EXISTS kept (id PRIMARY KEY, text)\"], [\"INSERT OR REPLACE INTO kept VALUES (?, ?)\", \"";
  s64 done = type == KV   ? kv_put(T("B"), T(id), T(text), 0)
             : type == SQL ? sql_batch(T("B"), T(joined(create, id, "\", \"", text, "\"]]")), got, 0)
                           : blob_put(T("B"), T(id), T(text), "", 0);
  if (done == -2) say_error();
  else say("{}");
}
static void read_text(int type) {
  if (type == QUEUE || type == FUNCTION) return send_text(type, id);
  s64 size = type == KV   ? kv_get(T("B"), T(id), got, 0)
             : type == SQL ? sql_query(T("B"), T("SELECT text FROM kept WHERE id = ?"), T(joined("[\"", id, "\"]", "", "")), got, 0)
                           : blob_get(T("B"), T(id), got, 0);
  if (size == -2 && type == SQL && find(last(), "no such table")) say_text(0);
  else if (size == -2) say_error();
  else if (size == -1) say_text(0);
  else if (type != SQL) say_text(last());
  else {
    char *found = (char *)find(last(), "\"text\":\"");
    if (found) *(char *)find(found + 8, "\"") = 0;
    say_text(found ? found + 8 : 0);
  }
}
/* Each call with what is its own, one line each. */
static void own(int type) {
#define LINE(call) say_number(call), say(" "), say(last()), say("\n")
  if (type == KV) {
    LINE(kv_put(T("B"), T("own/1"), T("one"), 0));
    LINE(kv_put(T("B"), T("own/2"), T("two"), 3600));
    LINE(kv_get(T("B"), T("own/1"), got, 2));
    LINE(kv_list(T("B"), T("{\"prefix\": \"own/\", \"limit\": 1}"), got, 0));
    LINE(kv_delete(T("B"), T("own/1")));
    LINE(kv_get(T("B"), T("own/1"), got, 0));
    LINE(kv_put(T("B"), T(""), T("x"), 0));
    LINE(kv_put(T("B"), T("own/3"), T("x"), -5));
    LINE(kv_list(T("B"), T("no JSON"), got, 0));
    LINE(kv_get(T("nothing"), T("x"), got, 0));
  } else if (type == SQL) {
    LINE(sql_query(T("B"), T("CREATE TABLE own (a, b)"), "", 0, got, 0));
    LINE(sql_query(T("B"), T("INSERT INTO own VALUES (?, ?)"), T("[{\"integer\": \"9007199254740993\"}, {\"base64\": \"AAEC\"}]"), got, 0));
    LINE(sql_query(T("B"), T("SELECT * FROM own"), "", 0, got, 0));
    LINE(sql_batch(T("B"), T("[[\"INSERT INTO own VALUES (1, 2)\"], [\"NONSENSE\"]]"), got, 0));
    LINE(sql_query(T("B"), T("SELECT count(*) AS n FROM own"), "", 0, got, 0));
    LINE(sql_query(T("B"), T("SELECT 1"), T("{}"), got, 0));
    LINE(sql_batch(T("B"), T("[1]"), got, 0));
    LINE(sql_query(T("nothing"), T("SELECT 1"), "", 0, got, 0));
  } else if (type == BLOB) {
    LINE(blob_put(T("B"), T("own/1"), T("0123456789"), T("{\"httpMetadata\": {\"contentType\": \"text/x\"}, \"customMetadata\": {\"a\": \"b\"}}")));
    LINE(blob_read(T("B"), T("own/1"), 4, got, 3));
    LINE(blob_read(T("B"), T("own/1"), 8, got, 100));
    LINE(blob_read(T("B"), T("own/1"), 10, got, 100));
    LINE(blob_read(T("B"), T("nothing"), 0, got, 100));
    LINE(blob_head(T("B"), T("own/1"), got, 0));
    LINE(blob_list(T("B"), T("{\"prefix\": \"own/\"}"), got, 0));
    LINE(blob_delete(T("B"), T("own/1")));
    LINE(blob_head(T("B"), T("own/1"), got, 0));
    LINE(blob_get(T("nothing"), T("x"), got, 0));
  }
}

__attribute__((export_name("handle"))) void handle(void) {
  request_url(url, sizeof url - 1);
  parameter("do", what);
  parameter("id", id);
  parameter("text", text);
  int type = type_of_binding();
  if (begins(what, "kind")) say_text(type == NONE ? "undefined" : "object");
  else if (begins(what, "write")) write_text(type);
  else if (begins(what, "own")) own(type);
  else read_text(type);
  response_set_body(answer, filled);
}
