/* The cost of a server that does not look at requests: epoll_wait, recv, send of a constant.

     cc -O2 -o /tmp/loop loadtest/nginx/loop.c
     taskset -c 0 /tmp/loop 7500 222                                  port, bytes of the body
     QUERIES=/tmp/nginx/queries.txt taskset -c 1 wrk -t1 -c32 -d2s -s loadtest/wrk/select.lua http://127.0.0.1:7500

   Only for wrk, because the server takes all bytes that arrive at once for one request. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static void must(int holds, const char *what) {
  if (!holds) {
    perror(what);
    exit(1);
  }
}

int main(int count, char **given) {
  if (count != 3 || atoi(given[2]) < 0 || atoi(given[2]) > 4096) {
    fprintf(stderr, "usage: loop PORT BYTES, of at most 4096\n");
    return 2;
  }
  int one = 1, bytes = atoi(given[2]);
  char answer[8192], request[8192];
  int head = snprintf(answer, sizeof answer,
                      "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n", bytes);
  memset(answer + head, 'x', bytes);

  int listener = socket(AF_INET, SOCK_STREAM, 0), poll = epoll_create1(0);
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(atoi(given[1])), .sin_addr.s_addr = inet_addr("127.0.0.1")};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  must(bind(listener, (struct sockaddr *)&address, sizeof address) == 0, "bind");
  must(listen(listener, 1024) == 0, "listen");
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
  must(epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event) == 0, "epoll_ctl");

  for (;;) {
    int ready = epoll_wait(poll, events, 256, -1);
    for (int at = 0; at < ready; at++) {
      int peer = events[at].data.fd;
      if (peer == listener) {
        peer = accept(listener, NULL, NULL);
        must(peer >= 0, "accept");
        setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        event.data.fd = peer;
        must(epoll_ctl(poll, EPOLL_CTL_ADD, peer, &event) == 0, "epoll_ctl");
      } else if (recv(peer, request, sizeof request, 0) <= 0 ||
                 send(peer, answer, head + bytes, MSG_NOSIGNAL) < 0) {
        close(peer);
      }
    }
  }
}
