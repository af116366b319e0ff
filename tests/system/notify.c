/*
 * notify SOCKET COMMAND...: runs a command as a service manager would, with NOTIFY_SOCKET set; prints what it tells
 * there, and ends it after READY=1.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (argc < 3 || strlen(argv[1]) >= sizeof address.sun_path) {
        return 2;
    }
    memcpy(address.sun_path, argv[1], strlen(argv[1]) + 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        perror("notify");
        return 1;
    }
    (void)setenv("NOTIFY_SOCKET", argv[1], 1);
    pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    char text[512];
    bool ready = false;
    bool stopping = false;
    struct timeval patience = {.tv_sec = 10};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    while (!stopping) {
        ssize_t got = recv(fd, text, sizeof text - 1, 0);
        if (got <= 0) {
            break;
        }
        text[got] = '\0';
        (void)printf("%s\n", text);
        stopping = strstr(text, "STOPPING=1") != NULL;
        if (!ready && strstr(text, "READY=1") != NULL) {
            ready = true;
            (void)kill(pid, SIGTERM);
        }
    }
    if (!ready) {
        (void)kill(pid, SIGKILL);
    }
    int status = 0;
    (void)waitpid(pid, &status, 0);
    return ready && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}
