/* delivery: one process for each transport, which hands messages to other servers, or into
 * mailboxes, and tells qmgr what became of each recipient. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "counts.h"
#include "file.h"
#include "log.h"
#include "mailbox.h"
#include "mailcharset.h"
#include "mem.h"
#include "pool.h"
#include "tls.h"
#include "tlscert.h"
#include "tlsclient.h"

#define RESOLV_CONF_MAX 65536

static int init(struct service *s, struct fail *f)
{
    struct agent *a = service_user(s);
    const char *slash = strchr(service_name(s), '/');
    a->service = s;
    a->base = service_base(s);
    a->label = slash == NULL ? "" : slash + 1;
    /* A machine without the file asks a resolver on loopback, as the C library does. */
    (void)file_read(AT_FDCWD, "/etc/resolv.conf", RESOLV_CONF_MAX, &a->resolv_conf, f);
    a->interfaces = ownaddr_interfaces(&a->interfaces_n);
    if (tls_init(f) != 0)
        return -1;
    if (strcmp(a->label, "local") == 0)
        a->charsets = mailcharset_open();
    a->roots = tlsclient_roots(NULL, f);
    return a->roots != NULL ? 0 : -1;
}

static int start(struct service *s, struct fail *f)
{
    struct agent *a = service_user(s);
    a->pool = pool_new(a);
    agent_open(a);
    if (strcmp(a->label, "local") == 0)
        a->mailbox = mailbox_new(a);
    return 0;
}

/* The folder of a local socket is where this process was put when it was started. */
static int check_folder(struct agent *a, const struct transport *t, struct fail *f)
{
    char *folder = t->socket == NULL ? mem_text("")
                                     : mem_textn(t->socket - t->socket_folder, t->socket_folder);
    int rc = 0;
    if (a->socket_folder != NULL && strcmp(a->socket_folder, folder) != 0)
        rc = fail_set(f,
                      "transport %s: the folder of its socket cannot be changed by a reload: "
                      "restart the service",
                      a->label);
    if (a->socket_folder == NULL)
        a->socket_folder = folder;
    else
        mem_free(&folder);
    return rc;
}

/* The one that is shown to servers, where there is one. */
static int read_certificate(const struct service_hand *hands, size_t n, struct buf *pem,
                            struct fail *f)
{
    static const char purpose[] = "client-certificate ";
    for (size_t i = 0; i < n; i++) {
        if (strncmp(hands[i].purpose, purpose, strlen(purpose)) == 0 &&
            file_read_fd(hands[i].fd, TLSCERT_PEM_MAX, pem, f) != 0) {
            buf_free(pem);
            return fail_prefix(f, "%s", hands[i].purpose);
        }
    }
    return 0;
}

static void *prepare(struct service *s, struct conf *conf, struct service_hand *hands,
                     size_t hands_n, struct fail *f)
{
    struct agent *a = service_user(s);
    struct buf certificate = {0};
    if (read_certificate(hands, hands_n, &certificate, f) != 0)
        return NULL;
    const struct transport_machine machine = {.resolv_conf = buf_span(&a->resolv_conf),
                                              .roots = a->roots,
                                              .interfaces = a->interfaces,
                                              .interfaces_n = a->interfaces_n,
                                              .certificate = buf_span(&certificate),
                                              .dns_ended = counts_dns,
                                              .dns_ended_arg = s};
    struct transport *t = transport_new(conf, a->label, a->base, &machine, f);
    buf_free(&certificate);
    if (t != NULL && check_folder(a, t, f) != 0) {
        t->conf = NULL; /* master's frame frees it */
        transport_drop(&t);
    }
    return t;
}

static void commit(struct service *s, void *state, void *old)
{
    agent_reload(service_user(s), state);
}

static void discard(struct service *s, void *state)
{
    struct transport *t = state;
    transport_drop(&t);
}

static void on_link(struct service *s, const char *name, int fd)
{
    struct agent *a = service_user(s);
    if (strcmp(name, "deliver qmgr") == 0) {
        agent_link(a, fd);
        return;
    }
    if (strcmp(name, "secret") == 0) {
        agent_link_vault(a, fd);
        return;
    }
    if (strcmp(name, "sign") == 0) {
        agent_link_sign(a, fd);
        return;
    }
    if (strcmp(name, "fetch") == 0) {
        agent_link_hooks(a, fd);
        return;
    }
    if (a->mailbox != NULL && strncmp(name, "mailbox ", 8) == 0) {
        mailbox_link(a->mailbox, name + 8, fd);
        return;
    }
    log_error(NULL, "unknown link", LS("name", name));
    (void)close(fd);
}

static void on_stop(struct service *s)
{
    agent_stop(service_user(s));
}

static const char *const syscalls[] = {
    "socket",   "connect", "bind",  "openat",     "mkdirat", "renameat",
    "unlinkat", "fsync",   "ioctl", "getdents64", NULL,
};

/* Not constant: the names of the counters are made. */
static struct service_spec spec = {
    .name = "delivery",
    .reader = CONF_DELIVERY,
    .syscalls = syscalls,
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
    struct agent a = {0};
    spec.counters = counts_names();
    int code = service_main(&spec, argc, argv, &a);
    mailbox_free(&a.mailbox);
    pool_free(&a.pool);
    agent_close(&a);
    mailcharset_close(&a.charsets);
    return code;
}
