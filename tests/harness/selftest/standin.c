/* Behaves at start and stop as the suite does, or in the wrong way that $STANDIN names. For the
 * tests of suite.py alone. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int is(const char *mode)
{
    const char *value = getenv("STANDIN");
    return value != NULL && strcmp(value, mode) == 0;
}

static void say_ready(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (path == NULL || strlen(path) >= sizeof name.sun_path)
        exit(9);
    memcpy(name.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    const char text[] = "STATUS=up\nREADY=1";
    if (sendto(fd, text, strlen(text), 0, (struct sockaddr *)&name, sizeof name) < 0)
        exit(8);
    close(fd);
}

static pid_t start_child(void)
{
    pid_t child = fork();
    if (child == 0) {
        setsid();
        for (;;)
            pause();
    }
    return child;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[argc - 1], "status") == 0)
        return printf("{\"words\": %d}\n", argc) < 0;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (is("dies"))
        return 3;
    fprintf(stderr, "l=info p=standin m=\"up\" uid=%d args=%d\n", (int)getuid(), argc);
    if (is("error"))
        fprintf(stderr, "l=error p=standin m=\"broken\" n=1\n");
    if (is("stray"))
        fprintf(stderr, "==1==ERROR: AddressSanitizer: heap-use-after-free\n");
    pid_t child = start_child();
    if (!is("silent"))
        say_ready();
    int got;
    sigwait(&set, &got);
    if (is("deaf"))
        for (;;)
            pause();
    if (!is("orphan"))
        kill(child, SIGKILL);
    return is("code") ? 4 : 0;
}
