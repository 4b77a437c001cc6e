#include "hands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conftransport.h"
#include "file.h"
#include "folders.h"
#include "mem.h"
#include "proto_control.h"

static int send_dup(struct process *p, const char *purpose, int fd, struct fail *f)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return fail_errno(f, "cannot pass on %s", purpose);
    control_hand(p->control, purpose, copy);
    return 0;
}

static int send_listeners(struct process *p, struct fail *f)
{
    const struct listener *l;
    TAILQ_FOREACH (l, &p->world->listeners, next) {
        char purpose[sizeof l->purpose];
        if (l->role != p->role || !l->wanted)
            continue;
        if (strcmp(l->purpose, "admin") == 0)
            (void)snprintf(purpose, sizeof purpose, "admin %d %d", (int)geteuid(),
                           p->world->admin_gid);
        else
            (void)snprintf(purpose, sizeof purpose, "%s", l->purpose);
        if (send_dup(p, purpose, l->fd, f) != 0)
            return -1;
    }
    return 0;
}

/* A regular file: opening a pipe could take for ever, and reading a device too. */
static int open_regular(const char *path, struct fail *f)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0)
        (void)fail_errno(f, "%s", path);
    else if (!S_ISREG(st.st_mode))
        (void)fail_set(f, "%s: not a regular file", path);
    else
        return fd;
    file_close(&fd);
    return -1;
}

static int send_file(struct process *p, const struct conf_block *b, const char *setting,
                     struct fail *f, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* The file that the setting names. */
static int send_file(struct process *p, const struct conf_block *b, const char *setting,
                     struct fail *f, const char *fmt, ...)
{
    char purpose[600];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(purpose, sizeof purpose, fmt, ap);
    va_end(ap);
    int fd = open_regular(conf_text(b, setting), f);
    if (fd < 0) {
        struct buf place = {0};
        conf_where(b, setting, &place);
        (void)fail_prefix(f, "%s: %s", buf_text(&place), setting);
        buf_free(&place);
        return -1;
    }
    control_hand(p->control, purpose, fd);
    return 0;
}

static int send_certificates(struct process *p, const struct conf *conf, struct fail *f)
{
    const struct conf_block *listen = NULL;
    int rc = 0;
    while (rc == 0 && (listen = conf_next(conf_root(conf), "listen", listen)) != NULL) {
        if (conf_is_set(listen, "certificate-file"))
            rc = send_file(p, listen, "certificate-file", f, "certificate %s", conf_label(listen));
        if (rc == 0 && p->role == ROLE_VAULT && conf_is_set(listen, "key-file"))
            rc = send_file(p, listen, "key-file", f, "key %s", conf_label(listen));
    }
    return rc;
}

static int send_dkim(struct process *p, const struct conf *conf, struct fail *f)
{
    const struct conf_block *domain = NULL, *dkim;
    int rc = 0;
    while (rc == 0 && (domain = conf_next(conf_root(conf), "domain", domain)) != NULL) {
        dkim = NULL;
        while (rc == 0 && (dkim = conf_next(domain, "dkim", dkim)) != NULL)
            rc = send_file(p, dkim, "key-file", f, "dkim %s %s", conf_label(domain),
                           conf_label(dkim));
    }
    return rc;
}

static int send_webhook_keys(struct process *p, const struct conf *conf, struct fail *f)
{
    static const char *const files[] = {"signing-key-file", "old-signing-key-file"};
    const struct conf_block *account = NULL, *webhook;
    int rc = 0;
    while (rc == 0 && (account = conf_next(conf_root(conf), "account", account)) != NULL) {
        webhook = NULL;
        while (rc == 0 && (webhook = conf_next(account, "webhook", webhook)) != NULL) {
            for (size_t i = 0; rc == 0 && i < sizeof files / sizeof files[0]; i++) {
                if (conf_is_set(webhook, files[i]))
                    rc = send_file(p, webhook, files[i], f, "webhook %s %s", conf_label(webhook),
                                   conf_label(account));
            }
        }
    }
    return rc;
}

static int send_passwords(struct process *p, const struct conf *conf, struct fail *f)
{
    const struct conf_block *transport = NULL, *auth;
    int rc = 0;
    while (rc == 0 && (transport = conf_next(conf_root(conf), "transport", transport)) != NULL) {
        const char *name = conf_label(transport);
        if ((auth = conftransport_auth(conf, name)) == NULL)
            continue;
        if (conf_is_set(auth, "password-file"))
            rc = send_file(p, auth, "password-file", f, "password %s", name);
        if (rc == 0 && conf_child(transport, "socks") == NULL && conf_is_set(auth, "token-file"))
            rc = send_file(p, auth, "token-file", f, "token %s", name);
    }
    return rc;
}

/* vault has the keys, and with them the certificates, to see that they fit; a transport its own
 * certificate. */
static int send_client_certificates(struct process *p, const struct conf *conf, struct fail *f)
{
    const struct conf_block *transport = NULL;
    int rc = 0;
    while (rc == 0 && (transport = conf_next(conf_root(conf), "transport", transport)) != NULL) {
        const char *name = conf_label(transport);
        bool vault = p->role == ROLE_VAULT;
        if (!conftransport_has_certificate(conf, name) || (!vault && strcmp(p->label, name) != 0))
            continue;
        const struct conf_block *auth = conftransport_auth(conf, name);
        rc = send_file(p, auth, "certificate-file", f, "client-certificate %s", name);
        if (rc == 0 && vault)
            rc = send_file(p, auth, "key-file", f, "client-key %s", name);
    }
    return rc;
}

/* A suite without accounts has no such file. */
static int send_credentials(struct process *p, const struct conf *conf, struct fail *f)
{
    char *path = folders_state(conf, "credentials");
    bool absent = access(path, F_OK) != 0 && errno == ENOENT;
    int fd = absent ? file_sealed("credentials", (struct span){0}, f) : open_regular(path, f);
    mem_free(&path);
    if (fd < 0)
        return -1;
    control_hand(p->control, "credentials", fd);
    return 0;
}

int hands_send(struct process *p, const struct conf *conf, struct fail *f)
{
    int rc = send_listeners(p, f);
    if (rc == 0 && (p->role == ROLE_SMTPD || p->role == ROLE_VAULT))
        rc = send_certificates(p, conf, f);
    if (rc == 0 && p->role == ROLE_VAULT)
        rc = send_credentials(p, conf, f);
    if (rc == 0 && p->role == ROLE_VAULT)
        rc = send_dkim(p, conf, f);
    if (rc == 0 && p->role == ROLE_VAULT)
        rc = send_webhook_keys(p, conf, f);
    if (rc == 0 && p->role == ROLE_VAULT)
        rc = send_passwords(p, conf, f);
    if (rc == 0 && (p->role == ROLE_VAULT || p->role == ROLE_DELIVERY))
        rc = send_client_certificates(p, conf, f);
    return rc;
}
