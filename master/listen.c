#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "file.h"
#include "folders.h"
#include "mem.h"

#define BACKLOG 1024

int listen_unix(const char *path, int type, unsigned mode, struct fail *f)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof sa.sun_path)
        return fail_set(f, "%s: path too long for a socket", path);
    (void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail_errno(f, "cannot make a socket");
    /* The folder is ours alone to write, so what stands there is a socket of an earlier run. */
    (void)unlink(path);
    if (bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0 || chmod(path, mode) != 0 ||
        listen(fd, BACKLOG) != 0) {
        (void)fail_errno(f, "cannot listen at %s", path);
        (void)close(fd);
        return -1;
    }
    return fd;
}

static int listen_tcp(const struct conf_value *address, int port, struct fail *f)
{
    struct sockaddr_storage ss = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&ss;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ss;
    int one = 1;
    socklen_t len;
    if (address->family == 4) {
        *v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        memcpy(&v4->sin_addr, address->ip, 4);
        len = sizeof *v4;
    } else {
        *v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
        memcpy(&v6->sin6_addr, address->ip, 16);
        len = sizeof *v6;
    }
    int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail_errno(f, "cannot make a socket for %s", address->text);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (address->family == 6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&ss, len) != 0 || listen(fd, BACKLOG) != 0) {
        (void)fail_errno(f, "cannot listen at %s port %d", address->text, port);
        (void)close(fd);
        return -1;
    }
    return fd;
}

static struct listener *find(struct world *w, const char *purpose)
{
    struct listener *l;
    TAILQ_FOREACH (l, &w->listeners, next) {
        if (strcmp(l->purpose, purpose) == 0)
            return l;
    }
    return NULL;
}

static void add(struct world *w, enum role role, const char *purpose, int fd)
{
    struct listener *l = mem_zero(sizeof *l);
    (void)snprintf(l->purpose, sizeof l->purpose, "%s", purpose);
    l->role = role;
    l->fd = fd;
    l->wanted = true;
    l->fresh = true;
    TAILQ_INSERT_TAIL(&w->listeners, l, next);
}

/* An address and port that stay get a new purpose: the socket stays too, and with it who is
 * connecting just now. */
static int same_socket(struct world *w, const char *purpose)
{
    const char *endpoint = strrchr(purpose, ' ');
    const struct listener *l;
    TAILQ_FOREACH (l, &w->listeners, next) {
        const char *other = strrchr(l->purpose, ' ');
        if (!l->fresh && other != NULL && strncmp(l->purpose, "listen ", 7) == 0 &&
            strcmp(endpoint, other) == 0)
            return fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
    }
    return -1;
}

static bool is_there(struct world *w, const char *purpose)
{
    struct listener *l = find(w, purpose);
    if (l != NULL)
        l->wanted = true;
    return l != NULL;
}

static int want_port(struct world *w, const struct conf_block *block, const char *kind,
                     enum role role, struct fail *f)
{
    size_t n;
    const struct conf_value *addresses = conf_list(block, "address", &n);
    if (!conf_is_set(block, kind))
        return 0;
    for (size_t i = 0; i < n; i++) {
        char purpose[160];
        int port = conf_int(block, kind);
        bool v6 = addresses[i].family == 6;
        (void)snprintf(purpose, sizeof purpose, "listen %s %s %s%s%s:%d", conf_label(block), kind,
                       v6 ? "[" : "", addresses[i].text, v6 ? "]" : "", port);
        if (is_there(w, purpose))
            continue;
        int fd = same_socket(w, purpose);
        if (fd < 0)
            fd = listen_tcp(&addresses[i], port, f);
        if (fd < 0)
            return -1;
        add(w, role, purpose, fd);
    }
    return 0;
}

static int want_unix(struct world *w, const struct conf *conf, const char *purpose,
                     const char *name, enum role role, int type, struct fail *f)
{
    if (is_there(w, purpose))
        return 0;
    char *path = folders_run(conf, name);
    int fd = listen_unix(path, type, 0666, f);
    mem_free(&path);
    if (fd < 0)
        return -1;
    add(w, role, purpose, fd);
    return 0;
}

static int want_all(struct world *w, const struct conf *conf, struct fail *f)
{
    static const char *const mail[] = {"smtp", "submission", "submissions"};
    const struct conf_block *block = NULL;
    while ((block = conf_next(conf_root(conf), "listen", block)) != NULL) {
        for (size_t i = 0; i < sizeof mail / sizeof mail[0]; i++) {
            if (want_port(w, block, mail[i], ROLE_SMTPD, f) != 0)
                return -1;
        }
        if (want_port(w, block, "http", ROLE_WEBAPI, f) != 0)
            return -1;
    }
    if (want_unix(w, conf, "admin", "admin.sock", ROLE_QMGR, SOCK_SEQPACKET, f) != 0)
        return -1;
    return want_unix(w, conf, "local", "submit.sock", ROLE_SMTPD, SOCK_STREAM, f);
}

static void drop(struct world *w, struct listener *l)
{
    TAILQ_REMOVE(&w->listeners, l, next);
    file_close(&l->fd);
    mem_free(&l);
}

int listen_prepare(struct world *w, const struct conf *conf, struct fail *f)
{
    struct listener *l;
    TAILQ_FOREACH (l, &w->listeners, next) {
        l->was_wanted = l->wanted;
        l->wanted = l->fresh = false;
    }
    if (want_all(w, conf, f) == 0)
        return 0;
    listen_abort(w);
    return -1;
}

void listen_abort(struct world *w)
{
    struct listener *l, *next;
    for (l = TAILQ_FIRST(&w->listeners); l != NULL; l = next) {
        next = TAILQ_NEXT(l, next);
        if (l->fresh)
            drop(w, l);
        else
            l->wanted = l->was_wanted;
    }
}

void listen_commit(struct world *w)
{
    struct listener *l, *next;
    for (l = TAILQ_FIRST(&w->listeners); l != NULL; l = next) {
        next = TAILQ_NEXT(l, next);
        if (!l->wanted)
            drop(w, l);
    }
}

void listen_close_all(struct world *w)
{
    struct listener *l;
    while ((l = TAILQ_FIRST(&w->listeners)) != NULL)
        drop(w, l);
}
