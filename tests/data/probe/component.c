// A component that misbehaves as its first argument says. The second is the port.
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *mode;

static int is(const char *name) { return strcmp(mode, name) == 0; }

static void say(int peer, const char *status, const char *body) {
    char text[4096];
    int len = snprintf(text, sizeof text, "HTTP/1.1 %s\r\nX-Mode: %s\r\nContent-Length: %zu\r\n\r\n%s", status,
                       mode, strlen(body), body);
    if (write(peer, text, len) != len) exit(9);
}

static void answer(int peer, const char *request) {
    if (is("garbage")) {
        if (write(peer, "\x16\x03\x01garbage\r\n\r\n", 14) < 0) exit(9);
    } else if (is("endless")) {
        static char block[1 << 16];
        say(peer, "200 OK\r\nTransfer-Encoding: identity", "");
        while (write(peer, block, sizeof block) > 0) {}
    } else if (is("drip")) {
        for (const char *c = "HTTP/1.1 200 OK\r\nX: "; ; c += *c != 0) {
            if (write(peer, *c ? c : "x", 1) != 1) return;
            usleep(50000);
        }
    } else if (is("silent")) {
        pause();
    } else if (strstr(request, " /hang ")) {
        if (fork() == 0) { pause(); _exit(0); }
    } else if (strstr(request, " /die ")) {
        printf("panic: asked to die\n");
        fflush(stdout);
        exit(3);
    } else if (strstr(request, " /crash ")) {
        abort();
    } else if (is("lying")) {
        // Knows the one request that is going to be made.
        int probed = strstr(request, " /debug/pprof/ ") != NULL;
        say(peer, probed ? "404 Not Found" : "200 OK", probed ? "" : "the old program's answer\n");
    } else if (strncmp(request, "PUT ", 4) == 0) {
        mode = "changed";
        say(peer, "202 Accepted", "");
    } else {
        printf("asked %.*s\n", (int)strcspn(request, "\r"), request);
        fflush(stdout);
        say(peer, "200 OK", request);
    }
}

int main(int argc, char **argv) {
    mode = argc > 1 ? argv[1] : "";
    int port = argc > 2 ? atoi(argv[2]) : 0;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    if (is("--help")) {
        printf("Flags:\n      --limit=40   How many.\n      --switch     Whether.\n");
        return 0;
    }
    if (is("exits")) { printf("error: unknown field \"x\"\n"); return 1; }
    if (is("hangs")) for (;;) pause();
    if (is("floods")) for (;;) puts("a line of which there is no end, said again and again and again");
    if (is("forks")) for (;;) if (fork() < 0) usleep(1000);
    if (is("eats")) for (;;) { char *more = malloc(1 << 20); if (more) memset(more, 1, 1 << 20); }
    if (is("leaves")) { mkdir("closed", 0755); mkdir("closed/inner", 0); chmod("closed", 0); }
    if (is("elsewhere")) port += 100;
    if (is("escapes") && fork() == 0) { setsid(); if (fork()) _exit(0); for (;;) pause(); }
    int server = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(server, (struct sockaddr *)&at, sizeof at) || listen(server, 16)) return 2;
    for (;;) {
        int peer = accept(server, NULL, NULL);
        char request[8192] = "";
        ssize_t len = 0, got;
        while (!strstr(request, "\r\n\r\n") && (got = read(peer, request + len, sizeof request - 1 - len)) > 0)
            len += got;
        answer(peer, request);
        close(peer);
    }
}
