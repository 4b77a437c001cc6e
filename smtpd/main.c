/* smtpd: takes mail over SMTP, from other servers, from accounts and from users of this machine. */

#include "server.h"

static int init(struct service *s, struct fail *f)
{
    return server_init(service_user(s), f);
}

static int start(struct service *s, struct fail *f)
{
    (void)f;
    server_open(service_user(s), service_base(s), s);
    return 0;
}

static void *prepare(struct service *s, struct conf *conf, struct service_hand *hands,
                     size_t hands_n, struct fail *f)
{
    struct server *sv = service_user(s);
    return settings_new(conf, sv->mailname, hands, hands_n, &sv->signing, f);
}

static void commit(struct service *s, void *state, void *old)
{
    (void)old; /* the server gives it up itself */
    server_use(service_user(s), state);
}

static void discard(struct service *s, void *state)
{
    struct settings *settings = state;
    (void)s;
    settings_drop(&settings);
}

static void on_link(struct service *s, const char *name, int fd)
{
    server_link(service_user(s), name, fd);
}

static void on_stop(struct service *s)
{
    server_stop(service_user(s));
}

static const char *const syscalls[] = {"accept4", NULL};

static const struct service_spec spec = {
    .name = "smtpd",
    .reader = CONF_SMTPD,
    .syscalls = syscalls,
    .counters = counter_names,
    .init = init,
    .start = start,
    .prepare = prepare,
    .commit = commit,
    .discard = discard,
    .on_link = on_link,
    .on_stop = on_stop,
};

int main(int argc, char **argv)
{
    struct server server = {0};
    int code = service_main(&spec, argc, argv, &server);
    server_close(&server);
    return code;
}
