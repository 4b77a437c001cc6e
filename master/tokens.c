#include "tokens.h"

#include <assert.h>
#include <string.h>
#include <sys/stat.h>

#include "conftransport.h"
#include "log.h"
#include "mem.h"
#include "reload.h"

#define INTERVAL_MS 2000

struct tokens {
    struct world *world;
    struct event *timer;
    uint64_t seen, asked; /* which files there were, as vault has them; and as it is to have them */
};

/* Which files they are, not what is in them: as long as vault has one open its inode number is no
 * other's. One that is not there counts as not changed. */
static uint64_t look(const struct tokens *t)
{
    const struct conf_block *transport = NULL, *auth;
    const struct conf *conf = t->world->conf;
    uint64_t hash = 0;
    while ((transport = conf_next(conf_root(conf), "transport", transport)) != NULL) {
        struct stat st;
        auth = conftransport_auth(conf, conf_label(transport));
        if (auth == NULL || conf_child(transport, "socks") != NULL ||
            !conf_is_set(auth, "token-file"))
            continue;
        if (stat(conf_text(auth, "token-file"), &st) != 0)
            return t->seen;
        hash = hash * 0x100000001b3u + (uint64_t)st.st_ino + 1;
        hash = hash * 0x100000001b3u + (uint64_t)st.st_dev;
    }
    return hash;
}

static void on_done(void *arg, const char *why)
{
    struct tokens *t = arg;
    if (why == NULL)
        t->seen = t->asked;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct tokens *t = arg;
    t->asked = look(t);
    if (t->asked == t->seen || t->world->stop != NULL || t->world->reload != NULL ||
        !t->world->announced)
        return;
    log_info(NULL, "files with access tokens are not those of before: vault opens them anew");
    reload_secrets(t->world, on_done, t);
}

struct tokens *tokens_new(struct world *w)
{
    const struct timeval interval = {INTERVAL_MS / 1000, INTERVAL_MS % 1000 * 1000};
    struct tokens *t = mem_zero(sizeof *t);
    t->world = w;
    t->seen = look(t);
    t->timer = event_new(w->base, -1, EV_PERSIST, on_timer, t);
    assert(t->timer != NULL);
    (void)event_add(t->timer, &interval);
    return t;
}

void tokens_free(struct tokens **tp)
{
    if (*tp == NULL)
        return;
    event_free((*tp)->timer);
    mem_free(tp);
}
