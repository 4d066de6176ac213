/* A web server of one page: says hello on port 8080 until it is told to stop. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void stop(int signal) {
    (void)signal;
    _exit(0);
}

int main(void) {
    const char *wanted = getenv("PORT");
    int port = wanted ? atoi(wanted) : 8080;
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16)) {
        perror("server");
        return 1;
    }
    printf("listening on port %d as user %d\n", port, (int)getuid());
    fflush(stdout);
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0)
            continue;
        char request[1024];
        ssize_t ignored = read(client, request, sizeof request);
        (void)ignored;
        const char *answer = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 22\r\n\r\nhello from a container";
        ignored = write(client, answer, strlen(answer));
        close(client);
    }
}
