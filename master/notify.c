#include "notify.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "ascii.h"
#include "clock.h"
#include "log.h"

static struct sockaddr_un to;
static socklen_t to_len;
static uint64_t watchdog_us; /* between two signs of life; 0: nobody waits for any */

static void init_watchdog(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    uint64_t n, whose = (uint64_t)getpid();
    watchdog_us = 0;
    if (usec != NULL && ascii_u64(span_text(usec), INT64_MAX, &n) == 0 &&
        (pid == NULL || ascii_u64(span_text(pid), INT32_MAX, &whose) == 0) &&
        whose == (uint64_t)getpid())
        watchdog_us = n;
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

void notify_init(void)
{
    init_watchdog();
    const char *path = getenv("NOTIFY_SOCKET");
    if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof to.sun_path)
        return;
    to.sun_family = AF_UNIX;
    memcpy(to.sun_path, path, strlen(path));
    to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (path[0] == '@')
        to.sun_path[0] = '\0'; /* an abstract address */
    (void)unsetenv("NOTIFY_SOCKET");
}

/* A service manager that does not read is waited for, but not for ever. */
static void say(const char *text)
{
    const struct timeval most = {1, 0};
    if (to_len == 0)
        return;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
    (void)sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to, to_len);
    (void)close(fd);
}

void notify_ready(const struct world *w)
{
    log_info(NULL, "ready", LS("version", QM_VERSION), LS("config", w->config_path),
             LI("pid", getpid()));
    say("READY=1");
}

void notify_reloading(void)
{
    char text[80];
    (void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld",
                   (long long)clock_mono_us());
    say(text);
}

void notify_reloaded(void)
{
    say("READY=1");
}

void notify_stopping(void)
{
    say("STOPPING=1");
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
    say("WATCHDOG=1");
}

struct event *notify_watchdog(struct event_base *base)
{
    const struct timeval half = {(time_t)(watchdog_us / 2 / 1000000),
                                 (suseconds_t)(watchdog_us / 2 % 1000000)};
    if (to_len == 0 || watchdog_us == 0)
        return NULL;
    struct event *timer = event_new(base, -1, EV_PERSIST, on_watchdog, NULL);
    assert(timer != NULL);
    (void)event_add(timer, &half);
    return timer;
}
