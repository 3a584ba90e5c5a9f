/* For libmicrohttpd: cc server.c -lmicrohttpd. What the paths mean is in acts.js. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LARGE 104857600

struct state {
  size_t bytes;
};

struct piece {
  char name[32], key[300], text[1024];
  int stopped;
};

static void note(const char *format, const char *key, const char *user, const char *id) {
  char line[1024];
  int length = snprintf(line, sizeof line, format, key, user, id);
  int ledger = open(getenv("LEDGER"), O_WRONLY | O_APPEND | O_CREAT, 0644);
  if (write(ledger, line, length) != length) abort();
  close(ledger);
}

static int is_first(const char *key) {
  char path[4096];
  snprintf(path, sizeof path, "%s.%s", getenv("LEDGER"), key);
  int marker = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
  if (marker >= 0) close(marker);
  return marker >= 0;
}

static const char *header(struct MHD_Connection *connection, const char *name) {
  const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  return value == NULL ? "-" : value;
}

/* The bytes of a response from `position` on. */
static ssize_t read_piece(void *closure, uint64_t position, char *buffer, size_t max) {
  struct piece *piece = closure;
  const char *name = piece->name;
  if (strncmp(name, "half-", 5) == 0) {
    if (position == 0) {
      int events = strcmp(name, "half-events") == 0;
      size_t size = events ? 9 : 500;
      memset(buffer, 'x', size);
      if (events) memcpy(buffer, "data: 1\n\n", size);
      return size;
    }
    note("half %s\n", piece->key, "", "");
    sleep(60);
    return MHD_CONTENT_READER_END_OF_STREAM;
  }
  if (strcmp(name, "large") == 0) {
    memset(buffer, 'x', max);
    return max;
  }
  size_t whole = strlen(piece->text);
  if (position >= whole) return MHD_CONTENT_READER_END_OF_STREAM;
  size_t size = whole - position < 10 ? whole - position : 10;
  memcpy(buffer, piece->text + position, size);
  return size;
}

static enum MHD_Result act(void *closure, struct MHD_Connection *connection, const char *url, const char *method,
                           const char *version, const char *upload, size_t *size, void **own) {
  struct state *state = *own;
  if (state == NULL) {
    *own = calloc(1, sizeof *state);
    return MHD_YES;
  }
  if (*size > 0) {
    state->bytes += *size;
    *size = 0;
    return MHD_YES;
  }
  const char *name = strrchr(url, '/') + 1, *key = header(connection, "Idempotency-Key");
  const char *user = header(connection, "X-User");
  struct MHD_Response *response;
  int status = 201;
  if (strcmp(name, "flaky") == 0 && is_first(key)) {
    response = MHD_create_response_from_buffer(7, "not now", MHD_RESPMEM_PERSISTENT);
    status = 503;
  } else {
    struct piece *piece = calloc(1, sizeof *piece);
    unsigned char random[16];
    char id[33];
    int source = open("/dev/urandom", O_RDONLY);
    if (read(source, random, 16) != 16) abort();
    close(source);
    for (int i = 0; i < 16; i++) sprintf(id + 2 * i, "%02x", random[i]);
    note("run %s %s %s\n", key, user, id);
    snprintf(piece->name, sizeof piece->name, "%s", name);
    snprintf(piece->key, sizeof piece->key, "%s", key);
    snprintf(piece->text, sizeof piece->text, "{\"key\":\"%s\",\"user\":\"%s\",\"id\":\"%s\",\"bytes\":%zu}", key, user, id,
             state->bytes);
    int streamed = strncmp(name, "half-", 5) == 0 || strcmp(name, "large") == 0 || strcmp(name, "events") == 0 ||
                   strcmp(name, "chunked") == 0 || strcmp(name, "trailers") == 0;
    if (strcmp(name, "events") == 0) strcpy(piece->text, "data: 1\n\ndata: 2\n\ndata: 3\n\n");
    if (streamed) {
      uint64_t length = strstr(name, "large") ? LARGE : strcmp(name, "half-length") == 0 ? 1000 : MHD_SIZE_UNKNOWN;
      response = MHD_create_response_from_callback(length, 65536, read_piece, piece, free);
      int events = strstr(name, "events") != NULL;
      MHD_add_response_header(response, "Content-Type", events ? "text/event-stream" : "application/octet-stream");
      if (strcmp(name, "trailers") == 0) MHD_add_response_footer(response, "X-Checksum", "abc");
      status = 200;
    } else {
      int none = strcmp(name, "empty") == 0 || strcmp(name, "no-content") == 0 || strcmp(name, "not-modified") == 0;
      if (strcmp(name, "wait") == 0) sleep(60);
      if (strcmp(name, "empty") == 0) status = 200;
      if (strcmp(name, "no-content") == 0) status = 204;
      if (strcmp(name, "not-modified") == 0) status = 304;
      response = MHD_create_response_from_buffer(none ? 0 : strlen(piece->text), piece->text, MHD_RESPMEM_MUST_COPY);
      MHD_add_response_header(response, "Content-Type", "application/json");
      free(piece);
    }
  }
  enum MHD_Result queued = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return queued;
}

static void ended(void *closure, struct MHD_Connection *connection, void **own, enum MHD_RequestTerminationCode why) {
  free(*own);
}

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(getenv("PORT")))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  struct MHD_Daemon *daemon = MHD_start_daemon(
      MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, act, NULL,
      MHD_OPTION_NOTIFY_COMPLETED, ended, NULL, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_END);
  if (daemon == NULL) return 1;
  pause();
  return 0;
}
