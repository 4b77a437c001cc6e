/* qmctl: what an operator asks and orders, at three in the morning if need be. */

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"
#include "mem.h"

#define DEFAULT_CONFIG "/etc/quartermaster/quartermaster.conf"
#define DEFAULT_RUN_DIR "/run/quartermaster"

static const struct ctl_command commands[] = {
    {"status", "", "the processes and the queue in numbers", ctl_status, NULL},
    {"queue", "list|show|kick|hold|drop|schedule|...", "look at the queue, act on it", ctl_queue,
     ctl_queue_help},
    {"hold", "list|add ...|remove RULE", "rules by which mail is held as it comes", ctl_hold,
     ctl_hold_help},
    {"retired", "list|show ...", "what became of messages", ctl_retired, ctl_retired_help},
    {"message", "show ID", "all recipients of a message, and every attempt", ctl_message,
     ctl_message_help},
    {"hook", "list|show|kick|cancel|retired ...",
     "webhooks: those that wait, what became of others", ctl_hook, ctl_hook_help},
    {"suppress", "list|add|remove|lookup ...", "to which addresses no mail is sent", ctl_suppress,
     ctl_suppress_help},
    {"account", "list|password|remove|purge ...",
     "accounts and their passwords; those that are gone", ctl_account, ctl_account_help},
    {"config", "check|show", "check the configuration file; show the settings in use", ctl_config,
     NULL},
    {"reload", "", "use the configuration file anew, all of it or nothing", ctl_reload, NULL},
    {"stop", "", "end the suite in order", ctl_stop, NULL},
    {"clock", "step MILLISECONDS", NULL, ctl_clock, NULL}, /* for tests, where test-clock is set */
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static void usage(FILE *out)
{
    (void)fputs("usage: qmctl [-c FILE] [-j] COMMAND ...\n\n", out);
    for (size_t i = 0; i < COMMANDS; i++) {
        if (commands[i].doc != NULL)
            (void)fprintf(out, "  %-8s %-42s %s\n", commands[i].name, commands[i].arguments,
                          commands[i].doc);
    }
    (void)fputs("\n"
                "  -c, --config FILE   the suite's configuration (default " DEFAULT_CONFIG ")\n"
                "  -j, --json          JSON instead of tables; also behind the command\n"
                "  -h, --help          this text; qmctl COMMAND -h tells about one command\n"
                "  -V, --version       the version\n"
                "\n"
                "Exit codes are those of sysexits.h: 0 done, 64 usage, 65 no such thing, 66 no "
                "such file,\n"
                "69 the suite is not there, 75 it refused for now, 77 permission denied, 78 "
                "configuration.\n",
                out);
}

/* The run-dir in a file that is no good, which may begin at that file's folder; or NULL. */
static char *peek_run_dir(const char *path)
{
    char *found = conf_peek(path, "run-dir");
    const char *slash = strrchr(path, '/');
    if (found == NULL || found[0] == '/' || slash == NULL)
        return found;
    char *whole = mem_format("%.*s/%s", (int)(slash - path), path, found);
    mem_free(&found);
    return whole;
}

/* Where the suite listens stands in its configuration, be that good or not: a reload of a bad one
 * is to be told why. Whoever may not read the one at the standard place knows the standard sockets;
 * for a file that was named those may be another suite's. Returns 0, or an exit code. */
static int find_run_dir(struct ctl *c)
{
    struct conf_errors errors = {0};
    if (c->config_given && access(c->config_path, R_OK) != 0)
        return ctl_fail(errno == EACCES ? EX_NOPERM : EX_NOINPUT, "%s: %s", c->config_path,
                        strerror(errno));
    c->conf = conf_load(c->config_path, &errors);
    conf_errors_free(&errors);
    c->run_dir = c->conf != NULL ? mem_text(conf_text(conf_root(c->conf), "run-dir"))
                                 : peek_run_dir(c->config_path);
    if (c->run_dir == NULL)
        c->run_dir = mem_text(DEFAULT_RUN_DIR);
    return 0;
}

static bool is_option(const char *word, const char *brief, const char *full)
{
    return strcmp(word, brief) == 0 || strcmp(word, full) == 0;
}

/* Takes -j and -h out of the command's words, where they may stand anywhere. Returns how many words
 * are left. */
static int take_common(struct ctl *c, int argc, char **argv, bool *help)
{
    int n = 0;
    for (int i = 0; i < argc; i++) {
        if (is_option(argv[i], "-j", "--json"))
            c->json = true;
        else if (is_option(argv[i], "-h", "--help"))
            *help = true;
        else
            argv[n++] = argv[i];
    }
    argv[n] = NULL;
    return n;
}

static const struct ctl_command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static void explain(const struct ctl_command *command)
{
    if (command->help != NULL)
        command->help(stdout);
    else
        (void)printf("usage: qmctl [-c FILE] [-j] %s%s%s\n\n  %s\n", command->name,
                     command->arguments[0] == '\0' ? "" : " ", command->arguments,
                     command->doc == NULL ? "for tests, where test-clock is set" : command->doc);
}

static int run(struct ctl *c, int argc, char **argv)
{
    bool help = false;
    const struct ctl_command *command = find(argv[0]);
    argc = take_common(c, argc, argv, &help);
    if (command == NULL)
        return ctl_fail(EX_USAGE, "no command '%s': qmctl -h lists them", argv[0]);
    if (help) {
        explain(command);
        return EX_OK;
    }
    if (command->arguments[0] == '\0' && argc > 1)
        return ctl_fail(EX_USAGE, "%s takes no arguments: %s", command->name, argv[1]);
    int code = find_run_dir(c);
    return code == 0 ? command->run(c, argc, argv) : code;
}

/* Somebody may act on what they read, and they did not read all of it. */
static int finish_output(int code)
{
    bool bad = ferror(stdout) != 0;
    if ((fflush(stdout) != 0 || bad) && code == EX_OK)
        return ctl_fail(EX_IOERR, "cannot write to standard output: %s", strerror(errno));
    return code;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    struct ctl c = {.config_path = DEFAULT_CONFIG};
    int o;
    tzset();
    (void)setlocale(LC_CTYPE,
                    ""); /* for the tables: how wide a character is, and which can be shown */
    while ((o = getopt_long(argc, argv, "+c:jhV", options, NULL)) != -1) {
        switch (o) {
        case 'c':
            c.config_path = optarg;
            c.config_given = true;
            break;
        case 'j':
            c.json = true;
            break;
        case 'h':
            usage(stdout);
            return finish_output(EX_OK);
        case 'V':
            (void)printf("qmctl %s\n", QM_VERSION);
            return EX_OK;
        default:
            usage(stderr);
            return EX_USAGE;
        }
    }
    if (optind >= argc) {
        usage(stderr);
        return EX_USAGE;
    }
    argc -= optind;
    argv += optind;
    optind = 0; /* the subcommand reads its own options, from its beginning */
    int code = finish_output(run(&c, argc, argv));
    conf_free(&c.conf);
    mem_free(&c.run_dir);
    return code;
}
