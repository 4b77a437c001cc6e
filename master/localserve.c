#include "localserve.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dkimkey.h"
#include "file.h"
#include "ipc.h"
#include "mem.h"
#include "scram.h"
#include "tlskey.h"

#define LOGIN "qm@localhost"
#define PASSWORD "quartermaster"
#define ACCOUNT "local"
#define CERTIFICATE_DAYS 3650
/* As root the processes still are kept apart, by numbers that Debian leaves to administrators. */
#define FIRST_UID 64710

char *localserve_default_dir(struct fail *f)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (data != NULL && data[0] == '/')
        return mem_format("%s/quartermaster-localserve", data);
    if (home != NULL && home[0] == '/')
        return mem_format("%s/.local/share/quartermaster-localserve", home);
    (void)fail_set(f, "no HOME: say where with --dir");
    return NULL;
}

static bool has(int dirfd, const char *name)
{
    return faccessat(dirfd, name, F_OK, 0) == 0;
}

static int make_certificate(int dirfd, struct fail *f)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "::1"};
    struct buf key_pem = {0}, certificate = {0};
    if (has(dirfd, "tls.key") && has(dirfd, "tls.crt"))
        return 0;
    struct tlskey *key = tlskey_generate();
    int rc = tlskey_self_sign(key, names, 3, CERTIFICATE_DAYS, &certificate, f);
    tlskey_write(key, &key_pem);
    if (rc == 0)
        rc = file_replace(dirfd, "tls.key", 0600, buf_span(&key_pem), f);
    if (rc == 0)
        rc = file_replace(dirfd, "tls.crt", 0644, buf_span(&certificate), f);
    buf_wipe(&key_pem);
    buf_free(&certificate);
    tlskey_free(&key);
    return rc;
}

static int make_dkim_key(int dirfd, struct fail *f)
{
    struct buf pem = {0};
    if (has(dirfd, "dkim.pem"))
        return 0;
    EVP_PKEY *key = dkimkey_generate(DKIM_ED25519_SHA256, f);
    if (key == NULL)
        return -1;
    dkimkey_write_pem(key, &pem);
    int rc = file_replace(dirfd, "dkim.pem", 0600, buf_span(&pem), f);
    buf_wipe(&pem);
    EVP_PKEY_free(key);
    return rc;
}

static int make_credentials(int dirfd, struct fail *f)
{
    struct scram_verifier v;
    struct buf line = {0};
    if (has(dirfd, "state/credentials"))
        return 0;
    if (file_make_path(dirfd, "state", 0755, f) != 0 ||
        scram_make(&v, span_text(PASSWORD), SCRAM_ITERATIONS_MIN, f) != 0)
        return -1;
    buf_puts(&line, ACCOUNT " ");
    scram_text(&v, &line);
    buf_putc(&line, '\n');
    int state = openat(dirfd, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = state < 0 ? fail_errno(f, "state")
                       : file_replace(state, "credentials", 0600, buf_span(&line), f);
    file_close(&state);
    scram_wipe(&v);
    buf_wipe(&line);
    return rc;
}

/* A machine may have no IPv6 at all. */
static bool has_ipv6(void)
{
    struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && bind(fd, (struct sockaddr *)&loopback, sizeof loopback) == 0;
    file_close(&fd);
    return good;
}

static void write_users(struct buf *b)
{
    static const char *const names[] = {"smtpd", "queue", "deliver", "web", "hooks", "vault"};
    if (geteuid() != 0)
        return;
    buf_puts(b, "users {\n");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        buf_putf(b, "    %s %zu\n", names[i], FIRST_UID + i);
    buf_puts(b, "}\n");
}

static void write_config(const struct localserve *l, struct buf *b)
{
    int at = l->port_offset;
    buf_puts(b, "# Written anew by each `quartermaster localserve`: changes made here do not last. "
                "Settings of your own go\n"
                "# into files local.d/*.conf, and those of the account, such as webhooks, into "
                "account.d/*.conf.\n");
    buf_puts(b, "hostname localhost\nlocalserve yes\n");
    buf_putf(b, "state-dir \"%s/state\"\nrun-dir \"%s/run\"\n", l->dir, l->dir);
    write_users(b);
    buf_putf(b,
             "listen local {\n"
             "    address 127.0.0.1%s\n"
             "    smtp %d\n    submission %d\n    submissions %d\n    http %d\n"
             "    webapi yes\n    metrics yes\n"
             "    certificate-file \"%s/tls.crt\"\n    key-file \"%s/tls.key\"\n"
             "    require-tls-for-auth no\n"
             "}\n",
             has_ipv6() ? " ::1" : "", 25 + at, 587 + at, 465 + at, 80 + at, l->dir, l->dir);
    buf_putf(b,
             "domain localhost {\n    catchall-separator \"+\"\n"
             "    dkim localserve { key-file \"%s/dkim.pem\" }\n}\n"
             "account " ACCOUNT " {\n    address " LOGIN "\n    full-name \"Local User\"\n"
             "    sent-folder Sent\n"
             "    include \"account.d/*.conf\"\n}\n",
             l->dir);
    /* Once around through our own listener, where failures are made. */
    buf_putf(
        b,
        /* A minute is what a developer waits for the failure "timeout". */
        "transport loop { smtp { host 127.0.0.1  port %d  tls opportunistic  final-timeout 1m } }\n"
        "route { transport loop }\n"
        /* Each recipient's failure is its own. The third retry is two minutes after the first
         * attempt: a developer sees it. */
        "queue { destination-recipients 1  first-retry 15s }\n"
        /* What is put off so many times is counted by the one process. */
        "workers { smtpd 1 }\n"
        "webhooks { allow-private yes }\n"
        "include \"local.d/*.conf\"\n",
        25 + at);
}

/* The configuration of a suite that runs is not to be written over: its next reload would take the
 * ports that were meant for another. */
static int check_idle(const struct localserve *l, struct fail *f)
{
    struct fail nobody;
    char *path = mem_format("%s/run/master.sock", l->dir);
    int fd = ipc_connect(path, &nobody);
    int rc = fd < 0 ? 0 : fail_set(f, "another suite is running: it listens at %s", path);
    file_close(&fd);
    mem_free(&path);
    return rc;
}

int localserve_prepare(struct localserve *l, struct fail *f)
{
    struct buf text = {0};
    if (l->dir[0] != '/') {
        char *here = getcwd(NULL, 0),
             *whole = mem_format("%s/%s", here == NULL ? "" : here, l->dir);
        mem_free(&here);
        mem_free(&l->dir);
        l->dir = whole;
    }
    if (strpbrk(l->dir, "\"\\\n") != NULL)
        return fail_set(f, "the folder's name cannot be written in a configuration: %s", l->dir);
    if (check_idle(l, f) != 0 || file_make_path(AT_FDCWD, l->dir, 0755, f) != 0)
        return -1;
    int dirfd = open(l->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return fail_errno(f, "%s", l->dir);
    write_config(l, &text);
    int rc = make_certificate(dirfd, f);
    if (rc == 0)
        rc = make_dkim_key(dirfd, f);
    if (rc == 0)
        rc = make_credentials(dirfd, f);
    if (rc == 0)
        rc = file_make_path(dirfd, "local.d", 0755, f);
    if (rc == 0)
        rc = file_make_path(dirfd, "account.d", 0755, f);
    if (rc == 0)
        rc = file_replace(dirfd, "quartermaster.conf", 0644, buf_span(&text), f);
    l->config_path = mem_format("%s/quartermaster.conf", l->dir);
    buf_free(&text);
    file_close(&dirfd);
    return rc;
}

void localserve_greet(const struct localserve *l, FILE *out)
{
    int at = l->port_offset;
    (void)fprintf(
        out,
        "\n"
        "Quartermaster localserve is ready, on 127.0.0.1 and ::1.\n"
        "\n"
        "  SMTP         port %d\n"
        "  submission   port %d (STARTTLS possible)\n"
        "  submissions  port %d (TLS)\n"
        "  HTTP API     http://localhost:%d/webapi/v0/\n"
        "  metrics      http://localhost:%d/metrics\n"
        "  login        " LOGIN "   password  " PASSWORD "\n"
        "  mailbox      %s/state/mail/" ACCOUNT "\n"
        "  operator     qmctl -c %s status\n"
        "\n"
        "Everything sent ends in that mailbox. Failures are asked for by the recipient's local "
        "part: it ends\n"
        "in temperror, permerror, timeout or a code 400 to 599, as in you+550@example.org, or in\n"
        "+bounce-550-5.1.1, +defer3, +slow or +complaint.\n"
        "\n"
        "Send a first message:\n"
        "\n"
        "  curl --user " LOGIN ":" PASSWORD " http://localhost:%d/webapi/v0/Send \\\n"
        "    --data-urlencode "
        "'request={\"To\":[{\"Address\":\"you@example.org\"}],\"Subject\":\"hello\","
        "\"Text\":\"hi there\"}'\n"
        "\n",
        25 + at, 587 + at, 465 + at, 80 + at, 80 + at, l->dir, l->config_path, 80 + at);
    (void)fflush(out);
}

void localserve_clear(struct localserve *l)
{
    mem_free(&l->dir);
    mem_free(&l->config_path);
}
