#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sysexits.h>
#include <unistd.h>

#include <bsd/readpassphrase.h>

#include "credfile.h"
#include "ctl.h"
#include "file.h"
#include "jsonwrite.h"
#include "mem.h"
#include "proto_master.h"
#include "proto_types.h"
#include "scram.h"

#define PASSWORD_MAX 1024

/* One line from the terminal, which does not show it and is itself again also after a ^C; or from
 * standard input. The caller wipes it. */
static int read_password(const char *prompt, char out[PASSWORD_MAX])
{
    if (isatty(STDIN_FILENO))
        return readpassphrase(prompt, out, PASSWORD_MAX, RPP_ECHO_OFF) == NULL ? -1 : 0;
    if (fgets(out, PASSWORD_MAX, stdin) == NULL)
        return -1;
    out[strcspn(out, "\r\n")] = '\0';
    return 0;
}

static int ask_password(char out[PASSWORD_MAX])
{
    char again[PASSWORD_MAX];
    if (read_password("New password: ", out) != 0)
        return ctl_fail(EX_NOINPUT, "no password was given on standard input");
    if (strlen(out) >= PASSWORD_MAX - 1) /* and perhaps cut there */
        return ctl_fail(EX_DATAERR, "a password has at most %d octets", PASSWORD_MAX - 2);
    if (!isatty(STDIN_FILENO))
        return 0;
    int rc = read_password("Again: ", again);
    bool same = rc == 0 && strcmp(out, again) == 0;
    mem_wipe(again, sizeof again);
    return same ? 0 : ctl_fail(EX_DATAERR, "the two are not the same");
}

static int open_state(struct ctl *c)
{
    const char *path = conf_text(conf_root(c->conf), "state-dir");
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        (void)ctl_fail(0, "%s: %s", path, strerror(errno));
    return fd;
}

static int read_credentials(int dirfd, struct buf *text, struct fail *f)
{
    if (faccessat(dirfd, "credentials", F_OK, 0) != 0 && errno == ENOENT)
        return 0;
    return file_read(dirfd, "credentials", CREDFILE_MAX, text, f);
}

/* The suite may not run; then it reads the file at its start. */
static void tell_master(struct ctl *c)
{
    struct fail f;
    char *path = mem_format("%s/master.sock", c->run_dir);
    int fd = access(path, F_OK) == 0 ? ipc_connect(path, &f) : -1;
    if (fd >= 0) {
        if (master_ask(fd, MSG_MASTER_CREDENTIALS, 0, 15000, &f) != 0)
            (void)ctl_fail(0, "the running suite did not take it: %s", f.text);
        (void)close(fd);
    }
    mem_free(&path);
}

/* Two that change a line each must not write the file over each other. Returns a descriptor, until
 * whose close they wait; or -1. */
static int lock_credentials(int dirfd, struct fail *f)
{
    int fd = openat(dirfd, ".credentials.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX) == 0)
        return fd;
    int error = errno;
    (void)fail_errno(f, "cannot lock the credentials");
    file_close(&fd);
    errno = error;
    return -1;
}

static bool has_password(struct span text, const char *account)
{
    struct fail f;
    struct credfile *credentials = credfile_parse(text, &f);
    bool has = credentials == NULL || credfile_find(credentials, span_text(account)) != NULL;
    credfile_free(&credentials);
    return has;
}

/* v: NULL removes the line. Returns an exit code. */
static int rewrite(int dirfd, const char *account, const struct scram_verifier *v)
{
    struct buf before = {0}, after = {0};
    struct fail f;
    int code = EX_OK;
    if (read_credentials(dirfd, &before, &f) != 0)
        code = ctl_fail(EX_CANTCREAT, "%s", f.text);
    else if (v == NULL && !has_password(buf_span(&before), account))
        code = ctl_fail(EX_DATAERR, "account %s has no password", account);
    else if (credfile_replace(buf_span(&before), span_text(account), v, &after, &f) != 0 ||
             file_replace(dirfd, "credentials", 0600, buf_span(&after), &f) != 0)
        code = ctl_fail(EX_CANTCREAT, "%s", f.text);
    buf_wipe(&before);
    buf_wipe(&after);
    return code;
}

static int replace(struct ctl *c, const char *account, const struct scram_verifier *v)
{
    struct fail f;
    int dirfd = open_state(c);
    if (dirfd < 0)
        return EX_NOPERM;
    int lock = lock_credentials(dirfd, &f);
    int code = lock < 0 ? ctl_fail(errno == EACCES ? EX_NOPERM : EX_CANTCREAT, "%s", f.text)
                        : rewrite(dirfd, account, v);
    file_close(&lock);
    (void)close(dirfd);
    if (code == EX_OK)
        tell_master(c);
    return code;
}

static int set_password(struct ctl *c, const char *account)
{
    char password[PASSWORD_MAX];
    struct scram_verifier v;
    struct fail f;
    if (conf_find(conf_root(c->conf), "account", account) == NULL)
        return ctl_fail(EX_DATAERR, "the configuration has no account %s", account);
    int code = ask_password(password);
    if (code == 0 && scram_make(&v, span_text(password), SCRAM_ITERATIONS_MIN, &f) != 0)
        code = ctl_fail(EX_DATAERR, "%s", f.text);
    mem_wipe(password, sizeof password);
    if (code != 0)
        return code;
    code = replace(c, account, &v);
    scram_wipe(&v);
    if (code == EX_OK)
        (void)puts(c->json ? "{\"done\":true}" : "password set");
    return code;
}

static int list(struct ctl *c)
{
    static const char *const headings[] = {"ACCOUNT", "PASSWORD", "ADDRESSES", NULL};
    const struct conf_block *a = NULL;
    struct buf text = {0}, out = {0};
    struct fail f;
    struct jsonwrite w;
    int dirfd = open_state(c);
    bool readable = dirfd >= 0 && read_credentials(dirfd, &text, &f) == 0;
    struct credfile *credentials = readable ? credfile_parse(buf_span(&text), &f) : NULL;
    struct ctl_table *t = c->json ? NULL : ctl_table_new(headings);
    jsonwrite_open(&w, &out, 0);
    jsonwrite_array(&w);
    while ((a = conf_next(conf_root(c->conf), "account", a)) != NULL) {
        size_t n;
        const struct conf_value *addresses = conf_list(a, "address", &n);
        bool has =
            credentials != NULL && credfile_find(credentials, span_text(conf_label(a))) != NULL;
        const char *state = credentials == NULL ? "unknown" : has ? "set" : "none";
        struct buf all = {0};
        for (size_t i = 0; i < n; i++)
            buf_putf(&all, "%s%s", i == 0 ? "" : " ", addresses[i].text);
        if (t != NULL) {
            ctl_table_cell(t, "%s", conf_label(a));
            ctl_table_cell(t, "%s", state);
            ctl_table_cell(t, "%s", buf_text(&all));
        } else {
            jsonwrite_object(&w);
            jsonwrite_key(&w, "account");
            jsonwrite_text(&w, conf_label(a));
            jsonwrite_key(&w, "password");
            jsonwrite_text(&w, state);
            jsonwrite_key(&w, "addresses");
            jsonwrite_text(&w, buf_text(&all));
            jsonwrite_object_end(&w);
        }
        buf_free(&all);
    }
    jsonwrite_array_end(&w);
    jsonwrite_close(&w);
    if (t != NULL)
        ctl_table_print(&t);
    else
        ctl_print(&out);
    buf_free(&out);
    buf_wipe(&text);
    credfile_free(&credentials);
    file_close(&dirfd);
    return EX_OK;
}

void ctl_account_help(FILE *out)
{
    (void)fputs(
        "usage: qmctl account list\n"
        "       qmctl account password|remove NAME\n"
        "       qmctl account purge [--yes] NAME\n"
        "\n"
        "  list      the accounts of the configuration, whether each has a password, its "
        "addresses\n"
        "  password  set it: asked for twice at a terminal, else one line of standard input\n"
        "  remove    take the password away, so that nobody can log in\n"
        "  purge     of an account that is not in the configuration any more: count what is kept "
        "in\n"
        "            its name, and with --yes fail its mail and remove all but the history\n",
        out);
}

int ctl_account(struct ctl *c, int argc, char **argv)
{
    bool purges = argc >= 2 && strcmp(argv[1], "purge") == 0;
    bool known =
        purges || (argc == 2 && strcmp(argv[1], "list") == 0) ||
        (argc == 3 && (strcmp(argv[1], "password") == 0 || strcmp(argv[1], "remove") == 0));
    if (!known) {
        ctl_account_help(stderr);
        return EX_USAGE;
    }
    if (c->conf == NULL)
        return ctl_fail(EX_CONFIG,
                        "%s cannot be read or is not good: qmctl -c FILE config check tells more",
                        c->config_path);
    if (purges)
        return ctl_account_purge(c, argc - 1, argv + 1);
    if (argc == 2)
        return list(c);
    if (strcmp(argv[1], "password") == 0)
        return set_password(c, argv[2]);
    int code = replace(c, argv[2], NULL);
    if (code == EX_OK)
        (void)puts(c->json ? "{\"done\":true}" : "password removed");
    return code;
}
