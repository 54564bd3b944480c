/*
 * One UDP socket on Linux, many datagrams a system call: what has come is read with recvmmsg and handed to JavaScript as
 * one batch, what JavaScript has queued goes out with sendmmsg. All of it lies in memory that both sides see, so nothing
 * is allocated for a datagram here. core/sip/batched-datagrams.ts is the other half and says the same about the layout.
 *
 * What was queued is sent when a batch has been handled, when the queue is full, and otherwise right before the event
 * loop waits for something to happen.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 8
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <node_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

/* The other half must know the same number. */
#define LAYOUT 4

/* Datagrams in one system call. */
#define BATCH 32
/* Nanoseconds after which others get their turn of the event loop, also in the middle of a batch. */
#define LONGEST_TURN (5 * 1000 * 1000)
/* No datagram is longer. */
#define ROOM 65536
/* Room for bursts in the kernel. */
#define SOCKET_BUFFER (4 * 1024 * 1024)

/* An address as numbers. IPv4: address, port. IPv6: four times four bytes, scope, port. Addresses in network order. After
 * them, where the socket is bound to all addresses of this machine: which of them it is about, 0 for any. */
#define WORDS 7
/* Addresses of this machine that are told apart. */
#define MOST_LOCAL 64

/* The numbers that both sides see. */
enum {
  QUEUED, /* datagrams in the queue */
  FILLED, /* bytes of them */
  SENT, /* how many of them are sent, or failed, while others of them are not */
  WAITING, /* whether there are more that did not fit */
  TAKEN, /* how many datagrams of a batch were handled: JavaScript leaves the rest for later where its time is over */
  FAILED, /* how many could not be sent since this was last read */
  FAILURES, /* of each of them: its place in the queue, errno */
  INCOMING = FAILURES + 2 * BATCH, /* of each datagram: length, address */
  OUTGOING = INCOMING + BATCH * (1 + WORDS), /* of each datagram: where it begins, length, address */
  NUMBERS = OUTGOING + BATCH * (2 + WORDS)
};

typedef union {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
} Name;

/* An address of this machine, as a message of the kernel names it. */
typedef union {
  struct in_addr v4;
  struct in6_addr v6;
} Local;

/* Room for that message. */
typedef union {
  struct cmsghdr head;
  char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
} Control;

typedef struct {
  napi_env env;
  napi_async_context context;
  napi_async_cleanup_hook_handle cleanup;
  /* The function that is called, and what keeps the shared memory in place. */
  napi_ref wake;
  napi_ref memory[3];
  int32_t *numbers;
  char *incoming_bytes;
  char *outgoing_bytes;
  int fd;
  int family;
  /* Whether it is bound to all addresses; those that datagrams have come to. */
  int wild;
  int locals;
  Local local[MOST_LOCAL];
  /* Nothing is sent before the socket is writable again. */
  int blocked;
  /* Of the batch that was read: how many, and how many of them were handled. */
  int read;
  int taken;
  /* Whether there was a rest when the event loop went on. */
  int resting;
  /* Handles of libuv that are open. */
  int handles;
  /* Who still needs this memory: the JavaScript object, and libuv. */
  int holders;
  int closing;
  uv_poll_t poll;
  uv_prepare_t prepare;
  struct mmsghdr in[BATCH];
  struct iovec in_bytes[BATCH];
  Name in_names[BATCH];
  Control in_control[BATCH];
  struct mmsghdr out[BATCH];
  struct iovec out_bytes[BATCH];
  Name out_names[BATCH];
  Control out_control[BATCH];
} Socket;

static void release(Socket *socket) {
  if (--socket->holders == 0) free(socket);
}

/* ---- addresses ---- */

static socklen_t name_size(int family) {
  return family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static void name_to_words(const Name *name, int32_t *words) {
  if (name->any.sa_family == AF_INET6) {
    memcpy(words, &name->v6.sin6_addr, 16);
    words[4] = (int32_t)name->v6.sin6_scope_id;
    words[5] = ntohs(name->v6.sin6_port);
  } else {
    memcpy(words, &name->v4.sin_addr, 4);
    words[1] = ntohs(name->v4.sin_port);
  }
}

static void words_to_name(const int32_t *words, int family, Name *name) {
  if (family == AF_INET6) {
    name->v6.sin6_family = AF_INET6;
    memcpy(&name->v6.sin6_addr, words, 16);
    name->v6.sin6_scope_id = (uint32_t)words[4];
    name->v6.sin6_port = htons((uint16_t)words[5]);
  } else {
    name->v4.sin_family = AF_INET;
    memcpy(&name->v4.sin_addr, words, 4);
    name->v4.sin_port = htons((uint16_t)words[1]);
  }
}

/* ---- addresses of this machine ---- */

/* Where among the numbers of an address it stands which one it is about. */
static int local_at(int family) { return family == AF_INET6 ? 6 : 2; }

static int is_wild(const Name *name) {
  if (name->any.sa_family == AF_INET6) return IN6_IS_ADDR_UNSPECIFIED(&name->v6.sin6_addr);
  return name->v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

static int number_of_local(Socket *socket, const Local *local, size_t size) {
  for (int at = 0; at < socket->locals; at++)
    if (memcmp(&socket->local[at], local, size) == 0) return at + 1;
  if (socket->locals == MOST_LOCAL) return 0;
  memcpy(&socket->local[socket->locals], local, size);
  return ++socket->locals;
}

/* Which address a datagram came to: what answers it has to come from there (RFC 3581 4). */
static int local_of(Socket *socket, struct msghdr *in) {
  for (struct cmsghdr *one = CMSG_FIRSTHDR(in); one; one = CMSG_NXTHDR(in, one)) {
    if (one->cmsg_level == IPPROTO_IP && one->cmsg_type == IP_PKTINFO) {
      struct in_pktinfo info;
      memcpy(&info, CMSG_DATA(one), sizeof info);
      Local local = {.v4 = info.ipi_spec_dst};
      return number_of_local(socket, &local, sizeof local.v4);
    }
    if (one->cmsg_level == IPPROTO_IPV6 && one->cmsg_type == IPV6_PKTINFO) {
      struct in6_pktinfo info;
      memcpy(&info, CMSG_DATA(one), sizeof info);
      Local local = {.v6 = info.ipi6_addr};
      return IN6_IS_ADDR_MULTICAST(&local.v6) ? 0 : number_of_local(socket, &local, sizeof local.v6);
    }
  }
  return 0;
}

/* Has a datagram sent from that address. */
static void send_from(Socket *socket, int at, int local) {
  struct msghdr *out = &socket->out[at].msg_hdr;
  out->msg_control = NULL;
  out->msg_controllen = 0;
  if (!socket->wild || local <= 0 || local > socket->locals) return;
  struct in_pktinfo v4 = {.ipi_spec_dst = socket->local[local - 1].v4};
  struct in6_pktinfo v6 = {.ipi6_addr = socket->local[local - 1].v6};
  int is_v6 = socket->family == AF_INET6;
  size_t size = is_v6 ? sizeof v6 : sizeof v4;
  struct cmsghdr *head = &socket->out_control[at].head;
  head->cmsg_level = is_v6 ? IPPROTO_IPV6 : IPPROTO_IP;
  head->cmsg_type = is_v6 ? IPV6_PKTINFO : IP_PKTINFO;
  head->cmsg_len = CMSG_LEN(size);
  memcpy(CMSG_DATA(head), is_v6 ? (void *)&v6 : (void *)&v4, size);
  out->msg_control = head;
  out->msg_controllen = CMSG_SPACE(size);
}

#define LONGEST_ADDRESS (INET6_ADDRSTRLEN + 1 + IF_NAMESIZE)

/* `fe80::1%eth0` where an address needs its interface. */
static void print_address(const Name *name, char text[LONGEST_ADDRESS]) {
  text[0] = '\0';
  if (name->any.sa_family != AF_INET6) {
    inet_ntop(AF_INET, &name->v4.sin_addr, text, LONGEST_ADDRESS);
    return;
  }
  inet_ntop(AF_INET6, &name->v6.sin6_addr, text, LONGEST_ADDRESS);
  if (name->v6.sin6_scope_id == 0) return;
  char interface[IF_NAMESIZE];
  size_t length = strlen(text);
  if (if_indextoname(name->v6.sin6_scope_id, interface))
    snprintf(text + length, LONGEST_ADDRESS - length, "%%%s", interface);
  else
    snprintf(text + length, LONGEST_ADDRESS - length, "%%%u", name->v6.sin6_scope_id);
}

/* False where it is no address of this family. */
static int read_address(char *text, int family, int port, Name *name) {
  memset(name, 0, sizeof *name);
  if (family == AF_INET) {
    name->v4.sin_family = AF_INET;
    name->v4.sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, text, &name->v4.sin_addr) == 1;
  }
  name->v6.sin6_family = AF_INET6;
  name->v6.sin6_port = htons((uint16_t)port);
  char *scope = strchr(text, '%');
  if (scope) {
    *scope++ = '\0';
    name->v6.sin6_scope_id = if_nametoindex(scope);
    if (name->v6.sin6_scope_id == 0) name->v6.sin6_scope_id = (uint32_t)strtoul(scope, NULL, 10);
    if (name->v6.sin6_scope_id == 0) return 0;
  }
  return inet_pton(AF_INET6, text, &name->v6.sin6_addr) == 1;
}

/* ---- calling JavaScript ---- */

/* A batch is there, or something failed, or there is room in the queue again. Datagrams before `to` are handled, for so
 * many microseconds. */
static void wake(Socket *socket, int from, int to, int microseconds) {
  napi_env env = socket->env;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value receiver, function, arguments[3];
  napi_get_global(env, &receiver);
  napi_get_reference_value(env, socket->wake, &function);
  napi_create_int32(env, from, &arguments[0]);
  napi_create_int32(env, to, &arguments[1]);
  napi_create_int32(env, microseconds, &arguments[2]);
  if (napi_make_callback(env, socket->context, receiver, function, 3, arguments, NULL) == napi_pending_exception) {
    napi_value error;
    if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
  }
  napi_close_handle_scope(env, scope);
}

/* ---- sending ---- */

static void watch(Socket *socket);

static int prepare_outgoing(Socket *socket) {
  int32_t *numbers = socket->numbers;
  int total = numbers[QUEUED];
  if (total > BATCH) total = BATCH;
  for (int at = numbers[SENT]; at < total; at++) {
    const int32_t *datagram = numbers + OUTGOING + at * (2 + WORDS);
    socket->out_bytes[at].iov_base = socket->outgoing_bytes + datagram[0];
    socket->out_bytes[at].iov_len = (size_t)datagram[1];
    words_to_name(datagram + 2, socket->family, &socket->out_names[at]);
    send_from(socket, at, datagram[2 + local_at(socket->family)]);
  }
  return total;
}

/* Sends what is queued. Each datagram that cannot be sent is noted, and does not keep the next ones back. */
static void send_queued(Socket *socket) {
  int32_t *numbers = socket->numbers;
  if (socket->blocked || numbers[QUEUED] == 0) return;
  int total = prepare_outgoing(socket);
  while (numbers[SENT] < total) {
    int first = numbers[SENT];
    int sent = sendmmsg(socket->fd, socket->out + first, (unsigned)(total - first), MSG_DONTWAIT);
    if (sent > 0) {
      numbers[SENT] += sent;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
      socket->blocked = 1;
      watch(socket);
      return;
    } else if (errno != EINTR && socket->out[first].msg_hdr.msg_control) {
      // The address may be another machine's by now, as in a pair that shares one: any other will do.
      send_from(socket, first, 0);
    } else if (errno != EINTR) {
      int32_t *failure = numbers + FAILURES + 2 * numbers[FAILED]++;
      failure[0] = numbers[SENT]++;
      failure[1] = errno;
    }
  }
  numbers[SENT] = 0;
  numbers[QUEUED] = 0;
  numbers[FILLED] = 0;
}

/* As send_queued, where it was not JavaScript that asked for it. */
static void send_and_tell(Socket *socket) {
  send_queued(socket);
  if (!socket->closing && socket->numbers[FAILED] > 0) wake(socket, 0, 0, 0);
}

static void on_prepare(uv_prepare_t *prepare) { send_and_tell(prepare->data); }

/* ---- receiving ---- */

/* How many came. */
static int read_batch(Socket *socket) {
  int count;
  do {
    count = recvmmsg(socket->fd, socket->in, BATCH, MSG_DONTWAIT, NULL);
  } while (count < 0 && errno == EINTR);
  // An error of the socket is told once and is over then; the next round shows what is there.
  if (count < 0) return 0;
  for (int at = 0; at < count; at++) {
    int32_t *datagram = socket->numbers + INCOMING + at * (1 + WORDS);
    datagram[0] = (int32_t)socket->in[at].msg_len;
    name_to_words(&socket->in_names[at], datagram + 1);
    struct msghdr *in = &socket->in[at].msg_hdr;
    in->msg_namelen = sizeof(Name);
    if (!socket->wild) continue;
    datagram[1 + local_at(socket->family)] = local_of(socket, in);
    in->msg_controllen = sizeof(Control);
  }
  return count;
}

/* What is left of a batch is handled before another is read. */
static void receive(Socket *socket) {
  int32_t *numbers = socket->numbers;
  uint64_t until = uv_hrtime() + LONGEST_TURN, now = until - LONGEST_TURN;
  do {
    if (socket->taken == socket->read) {
      socket->taken = 0;
      socket->read = read_batch(socket);
    }
    if (socket->read == 0) return;
    // Whoever throws has had them all.
    numbers[TAKEN] = socket->read;
    wake(socket, socket->taken, socket->read, (int)((until - now) / 1000));
    if (socket->closing) return;
    socket->taken = numbers[TAKEN];
    send_and_tell(socket);
    if (socket->closing) return;
    now = uv_hrtime();
  } while (socket->taken == socket->read && socket->read == BATCH && now < until);
}

static void on_ready(uv_poll_t *poll, int status, int events) {
  Socket *socket = poll->data;
  if (status < 0) {
    // libuv has stopped watching: the socket had an error pending, which is over once it is read.
    int error;
    socklen_t size = sizeof error;
    getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    watch(socket);
    return;
  }
  if ((events & UV_WRITABLE) && socket->blocked) {
    socket->blocked = 0;
    send_queued(socket);
    if (!socket->blocked) watch(socket);
    if (socket->numbers[FAILED] > 0 || (socket->numbers[WAITING] && !socket->blocked)) wake(socket, 0, 0, 0);
  }
  if (socket->closing) return;
  if ((events & UV_READABLE) || socket->resting) receive(socket);
  if (socket->closing || socket->resting == (socket->taken < socket->read)) return;
  socket->resting = !socket->resting;
  watch(socket);
}

/* For a rest of a batch there is nothing to wait for: the socket is writable nearly always, and will be. */
static void watch(Socket *socket) {
  int writable = socket->blocked || socket->resting ? UV_WRITABLE : 0;
  uv_poll_start(&socket->poll, UV_READABLE | writable, on_ready);
}

/* ---- opening and closing ---- */

static void on_handle_closed(uv_handle_t *handle) {
  Socket *socket = handle->data;
  if (--socket->handles > 0) return;
  napi_env env = socket->env;
  napi_handle_scope scope;
  napi_open_handle_scope(env, &scope);
  napi_delete_reference(env, socket->wake);
  for (int at = 0; at < 3; at++) napi_delete_reference(env, socket->memory[at]);
  napi_async_destroy(env, socket->context);
  napi_close_handle_scope(env, scope);
  napi_remove_async_cleanup_hook(socket->cleanup);
  release(socket);
}

/* The port is free when this returns. */
static void close_socket(Socket *socket) {
  if (socket->closing) return;
  send_queued(socket);
  socket->closing = 1;
  uv_close((uv_handle_t *)&socket->poll, on_handle_closed);
  uv_close((uv_handle_t *)&socket->prepare, on_handle_closed);
  close(socket->fd);
}

/* The thread or the process ends. */
static void on_env_end(napi_async_cleanup_hook_handle handle, void *data) {
  (void)handle;
  close_socket(data);
}

static void on_object_gone(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  release(data);
}

static void enlarge(int fd, int forced, int plain) {
  int size = SOCKET_BUFFER;
  // Over the system's limit where this process may; up to it otherwise.
  if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof size) != 0) setsockopt(fd, SOL_SOCKET, plain, &size, sizeof size);
}

/* A bound socket and the name it has then; or errno, negative. */
static int bind_socket(Name *name, int family) {
  int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  int on = 1;
  socklen_t size = name_size(family);
  if ((family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
      bind(fd, &name->any, size) != 0 || getsockname(fd, &name->any, &size) != 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  // Where the way gets narrower a datagram is cut up. Forbidden that, routers drop it and say so by ICMP, which many a
  // firewall keeps from us.
  int never = IP_PMTUDISC_DONT;
  if (family == AF_INET) setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &never, sizeof never);
  enlarge(fd, SO_RCVBUFFORCE, SO_RCVBUF);
  enlarge(fd, SO_SNDBUFFORCE, SO_SNDBUF);
  if (is_wild(name)) {
    if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    else setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
  }
  return fd;
}

static void lay_out(Socket *socket) {
  for (int at = 0; at < BATCH; at++) {
    socket->in_bytes[at].iov_base = socket->incoming_bytes + (size_t)at * ROOM;
    socket->in_bytes[at].iov_len = ROOM;
    struct msghdr *in = &socket->in[at].msg_hdr;
    in->msg_name = &socket->in_names[at];
    in->msg_namelen = sizeof(Name);
    in->msg_iov = &socket->in_bytes[at];
    in->msg_iovlen = 1;
    in->msg_control = socket->wild ? &socket->in_control[at] : NULL;
    in->msg_controllen = socket->wild ? sizeof(Control) : 0;
    struct msghdr *out = &socket->out[at].msg_hdr;
    out->msg_name = &socket->out_names[at];
    out->msg_namelen = name_size(socket->family);
    out->msg_iov = &socket->out_bytes[at];
    out->msg_iovlen = 1;
  }
}

/* ---- what JavaScript calls ---- */

static napi_value number(napi_env env, int value) {
  napi_value result = NULL;
  napi_create_int32(env, value, &result);
  return result;
}

static Socket *socket_of(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  void *data = NULL;
  napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
  if (napi_get_value_external(env, argument, &data) != napi_ok) napi_throw_type_error(env, NULL, "not a socket");
  return data;
}

static int family_of(napi_env env, napi_value v6) {
  bool is_v6 = false;
  napi_get_value_bool(env, v6, &is_v6);
  return is_v6 ? AF_INET6 : AF_INET;
}

/* readAddress(text, port, v6, words): whether it is an address of this family; what it is stands in `words` then. */
static napi_value js_read_address(napi_env env, napi_callback_info info) {
  size_t count = 4, length = 0;
  napi_value arguments[4], result = NULL;
  char text[LONGEST_ADDRESS];
  int32_t port = 0;
  void *words = NULL;
  Name name;
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  napi_get_value_string_utf8(env, arguments[0], text, sizeof text, &length);
  napi_get_value_int32(env, arguments[1], &port);
  int family = family_of(env, arguments[2]);
  int good = napi_get_typedarray_info(env, arguments[3], NULL, NULL, &words, NULL, NULL) == napi_ok &&
             read_address(text, family, port, &name);
  if (good) name_to_words(&name, words);
  napi_get_boolean(env, good, &result);
  return result;
}

/* printAddress(words, v6) */
static napi_value js_print_address(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2], result = NULL;
  void *words = NULL;
  Name name;
  char text[LONGEST_ADDRESS];
  memset(&name, 0, sizeof name);
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  if (napi_get_typedarray_info(env, arguments[0], NULL, NULL, &words, NULL, NULL) != napi_ok) return NULL;
  words_to_name(words, family_of(env, arguments[1]), &name);
  print_address(&name, text);
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &result);
  return result;
}

/* open(words, v6, wake, numbers, incoming, outgoing): the socket, with the address it has in `words`; or errno, negative. */
static napi_value js_open(napi_env env, napi_callback_info info) {
  size_t count = 6;
  napi_value arguments[6], name, result = NULL;
  void *words = NULL, *numbers = NULL, *incoming = NULL, *outgoing = NULL;
  uv_loop_t *loop = NULL;
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  if (napi_get_typedarray_info(env, arguments[0], NULL, NULL, &words, NULL, NULL) != napi_ok ||
      napi_get_typedarray_info(env, arguments[3], NULL, NULL, &numbers, NULL, NULL) != napi_ok ||
      napi_get_buffer_info(env, arguments[4], &incoming, NULL) != napi_ok ||
      napi_get_buffer_info(env, arguments[5], &outgoing, NULL) != napi_ok ||
      napi_get_uv_event_loop(env, &loop) != napi_ok) {
    return number(env, -EINVAL);
  }
  Socket *socket = calloc(1, sizeof *socket);
  if (!socket) return number(env, -ENOMEM);
  int family = family_of(env, arguments[1]);
  words_to_name(words, family, &socket->in_names[0]);
  int fd = bind_socket(&socket->in_names[0], family);
  if (fd < 0 || uv_poll_init(loop, &socket->poll, fd) != 0) {
    if (fd >= 0) close(fd);
    free(socket);
    return number(env, fd < 0 ? fd : -EINVAL);
  }
  name_to_words(&socket->in_names[0], words);
  socket->env = env;
  socket->fd = fd;
  socket->family = family;
  socket->wild = is_wild(&socket->in_names[0]);
  socket->numbers = numbers;
  socket->incoming_bytes = incoming;
  socket->outgoing_bytes = outgoing;
  socket->poll.data = socket;
  socket->prepare.data = socket;
  socket->handles = 2;
  socket->holders = 2;
  lay_out(socket);
  napi_create_string_utf8(env, "datagrams", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, NULL, name, &socket->context);
  napi_create_reference(env, arguments[2], 1, &socket->wake);
  for (int at = 0; at < 3; at++) napi_create_reference(env, arguments[3 + at], 1, &socket->memory[at]);
  napi_add_async_cleanup_hook(env, on_env_end, socket, &socket->cleanup);
  watch(socket);
  uv_prepare_init(loop, &socket->prepare);
  uv_prepare_start(&socket->prepare, on_prepare);
  uv_unref((uv_handle_t *)&socket->prepare);
  napi_create_external(env, socket, on_object_gone, NULL, &result);
  return result;
}

/* Whether this machine has that address. */
static int is_here(const Local *local, int family) {
  Name name;
  memset(&name, 0, sizeof name);
  name.any.sa_family = (sa_family_t)family;
  if (family == AF_INET6) name.v6.sin6_addr = local->v6;
  else name.v4.sin_addr = local->v4;
  int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return 0;
  int bound = bind(fd, &name.any, name_size(family)) == 0;
  close(fd);
  return bound;
}

/* numberOfLocal(socket, text): of an address that datagrams have come to, or that this machine has; 0 for any other. */
static napi_value js_number_of_local(napi_env env, napi_callback_info info) {
  size_t count = 2, length = 0;
  napi_value arguments[2];
  void *data = NULL;
  char text[LONGEST_ADDRESS];
  Local local;
  memset(&local, 0, sizeof local);
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  napi_get_value_string_utf8(env, arguments[1], text, sizeof text, &length);
  if (napi_get_value_external(env, arguments[0], &data) != napi_ok) return NULL;
  Socket *socket = data;
  if (!socket->wild || inet_pton(socket->family, text, &local) != 1) return number(env, 0);
  size_t size = socket->family == AF_INET6 ? sizeof local.v6 : sizeof local.v4;
  for (int at = 0; at < socket->locals; at++)
    if (memcmp(&socket->local[at], &local, size) == 0) return number(env, at + 1);
  return number(env, is_here(&local, socket->family) ? number_of_local(socket, &local, size) : 0);
}

/* printLocal(socket, number): the address of this machine that has that number. */
static napi_value js_print_local(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2], result = NULL;
  void *data = NULL;
  int32_t local = 0;
  char text[LONGEST_ADDRESS] = "";
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  if (napi_get_value_external(env, arguments[0], &data) != napi_ok) return NULL;
  napi_get_value_int32(env, arguments[1], &local);
  const Socket *socket = data;
  if (local > 0 && local <= socket->locals)
    inet_ntop(socket->family, &socket->local[local - 1], text, sizeof text);
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &result);
  return result;
}

/* send(socket): sends what is queued. */
static napi_value js_send(napi_env env, napi_callback_info info) {
  Socket *socket = socket_of(env, info);
  if (socket && !socket->closing) send_queued(socket);
  return NULL;
}

/* close(socket) */
static napi_value js_close(napi_env env, napi_callback_info info) {
  Socket *socket = socket_of(env, info);
  if (socket) close_socket(socket);
  return NULL;
}

NAPI_MODULE_INIT() {
  const napi_property_descriptor properties[] = {
      {"layout", NULL, NULL, NULL, NULL, number(env, LAYOUT), napi_enumerable, NULL},
      {"readAddress", NULL, js_read_address, NULL, NULL, NULL, napi_enumerable, NULL},
      {"printAddress", NULL, js_print_address, NULL, NULL, NULL, napi_enumerable, NULL},
      {"numberOfLocal", NULL, js_number_of_local, NULL, NULL, NULL, napi_enumerable, NULL},
      {"printLocal", NULL, js_print_local, NULL, NULL, NULL, napi_enumerable, NULL},
      {"open", NULL, js_open, NULL, NULL, NULL, napi_enumerable, NULL},
      {"send", NULL, js_send, NULL, NULL, NULL, napi_enumerable, NULL},
      {"close", NULL, js_close, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties);
  return exports;
}
