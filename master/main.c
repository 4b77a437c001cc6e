/* quartermaster: the only process that may be root. Reads the configuration, binds the ports,
 * starts everybody else and starts them again. It reads nothing from the network. */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "ascii.h"
#include "clock.h"
#include "control.h"
#include "fdlimit.h"
#include "file.h"
#include "folders.h"
#include "listen.h"
#include "localserve.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "notify.h"
#include "process.h"
#include "reload.h"
#include "stop.h"
#include "tokens.h"
#include "users.h"

#define DEFAULT_CONFIG "/etc/quartermaster/quartermaster.conf"
#define LIBEXEC_DIR "/usr/libexec/quartermaster"

struct master {
    struct world world;
    struct tokens *tokens;
    struct event *sigterm, *sigint, *sighup, *sigchld, *greet, *watchdog;
    struct localserve localserve;
    bool is_localserve;
};

static const char usage[] =
    "usage: quartermaster [-c FILE]            run the mail server in the foreground\n"
    "       quartermaster -n [-c FILE]         check the configuration and say what is wrong with "
    "it\n"
    "       quartermaster localserve [--dir DIR] [--port-offset N]\n"
    "                                          a mail server for application developers\n"
    "\n"
    "  -c, --config FILE     the configuration (default " DEFAULT_CONFIG ")\n"
    "  -n, --check           only check it; exit 0 when it is good, 78 when not\n"
    "      --dir DIR         localserve: where to keep everything\n"
    "                        (default $XDG_DATA_HOME or ~/.local/share, then "
    "quartermaster-localserve)\n"
    "      --port-offset N   localserve: added to the standard ports 25, 80, 465 and 587 (default "
    "1000)\n"
    "  -h, --help            this text\n"
    "  -V, --version         the version\n"
    "\n"
    "SIGHUP reloads the configuration, SIGTERM and SIGINT end the suite in order.\n";

static void on_end_signal(evutil_socket_t fd, short what, void *arg)
{
    stop_begin(arg, 0);
}

static void ignore_outcome(void *arg, const char *why)
{
    /* It was logged. */
}

static void on_sighup(evutil_socket_t fd, short what, void *arg)
{
    reload_begin(arg, ignore_outcome, NULL);
}

static void on_sigchld(evutil_socket_t fd, short what, void *arg)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        process_reaped(arg, pid, status);
}

/* Whoever starts us may have closed them: a socket in the place of one would be written to by
 * whatever writes to standard error. */
static void open_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            _exit(EX_OSERR);
    }
}

static void watch_signals(struct master *m)
{
    struct event_base *base = m->world.base;
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL); /* it may have been started with some blocked */
    (void)signal(SIGPIPE, SIG_IGN);
    m->sigterm = evsignal_new(base, SIGTERM, on_end_signal, &m->world);
    m->sigint = evsignal_new(base, SIGINT, on_end_signal, &m->world);
    m->sighup = evsignal_new(base, SIGHUP, on_sighup, &m->world);
    m->sigchld = evsignal_new(base, SIGCHLD, on_sigchld, &m->world);
    (void)event_add(m->sigterm, NULL);
    (void)event_add(m->sigint, NULL);
    (void)event_add(m->sighup, NULL);
    (void)event_add(m->sigchld, NULL);
}

/* In a build tree the programs stand beside this one, installed they do not. */
static char *find_programs(void)
{
    static const char *const places[] = {".", "../libexec/quartermaster"};
    char self[PATH_MAX], *slash, *found = NULL;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0 || (self[n] = '\0', slash = strrchr(self, '/')) == NULL)
        return mem_text(LIBEXEC_DIR);
    *slash = '\0';
    for (size_t i = 0; found == NULL && i < sizeof places / sizeof places[0]; i++) {
        char *folder = mem_format("%s/%s", self, places[i]);
        char *program = mem_format("%s/%s", folder, role_program(ROLE_QMGR));
        if (access(program, X_OK) == 0)
            found = realpath(folder, NULL);
        mem_free(&program);
        mem_free(&folder);
    }
    return found != NULL ? found : mem_text(LIBEXEC_DIR);
}

static struct conf *load(const char *path, bool quiet)
{
    struct conf_errors errors = {0};
    struct buf text = {0};
    struct conf *conf = conf_load(path, &errors);
    conf_errors_print(&errors, &text);
    if (text.n > 0)
        (void)fputs(buf_text(&text), stderr);
    buf_free(&text);
    conf_errors_free(&errors);
    if (conf != NULL && !quiet)
        (void)printf("%s: good\n", path);
    return conf;
}

/* Returns 0 or an exit code. A port that is taken, an address that is not there yet, or a disk that
 * is full, may be better at the next try; the rest has to be mended. */
static int prepare(struct world *w, struct fail *f)
{
    if (users_resolve(w, w->conf, f) != 0)
        return EX_CONFIG;
    if (folders_make(w, w->conf, f) != 0)
        return fail_is_of_disk(f) ? EX_IOERR : EX_CONFIG;
    w->lock = folders_lock(w->conf, f);
    if (w->lock < 0)
        return EX_OSERR;
    w->control = control_new(w, f);
    if (w->control == NULL || listen_prepare(w, w->conf, f) != 0)
        return EX_OSERR;
    process_plan(w, w->conf);
    return 0;
}

/* For localserve: the greeting comes when everybody is up. */
static void on_greet(evutil_socket_t fd, short what, void *arg)
{
    struct master *m = arg;
    if (!m->world.announced)
        return;
    localserve_greet(&m->localserve, stdout);
    (void)event_del(m->greet);
}

static void free_event(struct event **e)
{
    if (*e != NULL)
        event_free(*e);
    *e = NULL;
}

static void clean_up(struct master *m)
{
    struct world *w = &m->world;
    control_free(&w->control);
    process_free_all(w); /* which answers what metrics asked */
    metrics_free(&w->metrics);
    tokens_free(&m->tokens);
    stop_free(w);
    listen_close_all(w);
    free_event(&m->sigterm);
    free_event(&m->sigint);
    free_event(&m->sighup);
    free_event(&m->sigchld);
    free_event(&m->greet);
    free_event(&m->watchdog);
    conf_free(&w->conf);
    event_base_free(w->base);
    mem_free(&w->program_dir);
    file_close(&w->lock);
    localserve_clear(&m->localserve);
}

static int run(struct master *m)
{
    const struct timeval soon = {0, 20000};
    struct world *w = &m->world;
    struct fail f = {{0}};
    enum log_level level = (enum log_level)conf_word(conf_root(w->conf), "log-level");
    log_open("master", level);
    notify_init();
    w->started_ms = clock_mono_ms();
    w->loaded_ms = clock_wall_ms();
    fdlimit_raise(); /* key files are open by the thousand until the vault has taken them */
    w->privileged = geteuid() == 0;
    w->program_dir = find_programs();
    TAILQ_INIT(&w->processes);
    TAILQ_INIT(&w->listeners);
    w->base = event_base_new();
    assert(w->base != NULL);
    watch_signals(m);
    if (!w->privileged)
        log_info(NULL, "not root: all processes run as one user and without chroot, with seccomp",
                 LI("uid", geteuid()));
    int code = prepare(w, &f);
    if (code != 0) {
        log_error(NULL, "cannot start", LS("why", f.text));
        clean_up(m);
        return code;
    }
    w->metrics = metrics_new(w);
    m->tokens = tokens_new(w);
    m->watchdog = notify_watchdog(w->base);
    if (m->is_localserve) {
        m->greet = event_new(w->base, -1, EV_PERSIST, on_greet, m);
        (void)event_add(m->greet, &soon);
    }
    process_start_all(w);
    (void)event_base_dispatch(w->base);
    code = w->exit_code;
    log_info(NULL, "ended", LI("exit", code));
    clean_up(m);
    return code;
}

struct arguments {
    const char *config, *dir, *port_offset;
    bool check, localserve;
};

static int misused(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static int misused(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)fputs("quartermaster: ", stderr);
    (void)vfprintf(stderr, fmt, ap);
    (void)fputs("; -h tells more\n", stderr);
    va_end(ap);
    return EX_USAGE;
}

static int read_arguments(struct arguments *a, int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 'n'},
        {"dir", required_argument, NULL, 'd'},
        {"port-offset", required_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int c;
    *a = (struct arguments){0};
    while ((c = getopt_long(argc, argv, "c:nhV", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            a->config = optarg;
            break;
        case 'n':
            a->check = true;
            break;
        case 'd':
            a->dir = optarg;
            break;
        case 'p':
            a->port_offset = optarg;
            break;
        case 'h':
            (void)fputs(usage, stdout);
            return -1;
        case 'V':
            (void)printf("quartermaster %s\n", QM_VERSION);
            return -1;
        default:
            (void)fputs(usage, stderr);
            return EX_USAGE;
        }
    }
    a->localserve = optind < argc && strcmp(argv[optind], "localserve") == 0;
    if (optind + (a->localserve ? 1 : 0) < argc)
        return misused("unknown command: %s", argv[optind + (a->localserve ? 1 : 0)]);
    if (a->localserve && (a->config != NULL || a->check))
        return misused("localserve has a configuration of its own: no %s", a->check ? "-n" : "-c");
    if (!a->localserve && (a->dir != NULL || a->port_offset != NULL))
        return misused("%s is for localserve", a->dir != NULL ? "--dir" : "--port-offset");
    return 0;
}

static int read_offset(struct master *m, const char *text)
{
    uint64_t number = 1000;
    if (text != NULL && ascii_u64(span_text(text), 64000, &number) != 0)
        return -1;
    m->localserve.port_offset = (int)number;
    return 0;
}

static int prepare_localserve(struct master *m, const struct arguments *a, struct fail *f)
{
    m->is_localserve = true;
    m->localserve.dir = a->dir != NULL ? mem_text(a->dir) : localserve_default_dir(f);
    if (m->localserve.dir == NULL || localserve_prepare(&m->localserve, f) != 0)
        return -1;
    m->world.config_path = m->localserve.config_path;
    return 0;
}

int main(int argc, char **argv)
{
    struct master m = {.world = {.admin_gid = -1, .lock = -1}};
    struct arguments a;
    struct fail f = {{0}};
    open_standard();
    int rc = read_arguments(&a, argc, argv);
    if (rc != 0)
        return rc < 0 ? 0 : rc;
    (void)umask(022);
    m.world.config_path = (char *)(a.config != NULL ? a.config : DEFAULT_CONFIG);
    if (read_offset(&m, a.port_offset) != 0)
        return misused("--port-offset takes a number from 0 to 64000, not %s", a.port_offset);
    if (a.localserve && prepare_localserve(&m, &a, &f) != 0) {
        (void)fprintf(stderr, "quartermaster: %s\n", f.text);
        localserve_clear(&m.localserve);
        return EX_CANTCREAT;
    }
    m.world.conf = load(m.world.config_path, !a.check);
    if (m.world.conf == NULL)
        return EX_CONFIG;
    if (a.check) {
        conf_free(&m.world.conf);
        return 0;
    }
    return run(&m);
}
