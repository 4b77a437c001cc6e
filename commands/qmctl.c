/* qmctl: what an operator asks and orders, at three in the morning if need be. */

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "ctl.h"
#include "mem.h"

#define DEFAULT_CONFIG "/etc/quartermaster/quartermaster.conf"
#define DEFAULT_RUN_DIR "/run/quartermaster"

static const struct ctl_command commands[] = {
    {"status", "", "the processes and the queue in numbers", ctl_status},
    {"queue", "list|show|kick|hold|release|drop|fail ...", "look at the queue, act on it",
     ctl_queue},
    {"retired", "list|show ...", "what became of messages", ctl_retired},
    {"hook", "list", "webhooks that wait to be delivered", ctl_hook},
    {"account", "list|password NAME|remove NAME", "accounts and their passwords", ctl_account},
    {"config", "check|show", "check the configuration file; show the settings in use", ctl_config},
    {"reload", "", "use the configuration file anew, all of it or nothing", ctl_reload},
    {"stop", "", "end the suite in order", ctl_stop},
    {"clock", "step MILLISECONDS", NULL, ctl_clock}, /* for tests, where test-clock is set */
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
                "  -j, --json          JSON instead of tables\n"
                "  -h, --help          this text; qmctl COMMAND -h tells about one command\n"
                "  -V, --version       the version\n"
                "\n"
                "Exit codes are those of sysexits.h: 0 done, 64 usage, 65 no such thing, 69 the "
                "suite is not there,\n"
                "75 it refused for now, 77 permission denied, 78 configuration.\n",
                out);
}

/* Where the suite listens stands in its configuration, be that good or not: a reload of a bad one
 * is to be told why. Whoever may not read it knows the standard place. */
static void find_run_dir(struct ctl *c)
{
    struct conf_errors errors = {0};
    c->conf = conf_load(c->config_path, &errors);
    conf_errors_free(&errors);
    c->run_dir = c->conf != NULL ? mem_text(conf_text(conf_root(c->conf), "run-dir"))
                                 : conf_peek(c->config_path, "run-dir");
    if (c->run_dir == NULL)
        c->run_dir = mem_text(DEFAULT_RUN_DIR);
}

static int run(struct ctl *c, int argc, char **argv)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, argv[0]) == 0)
            return commands[i].run(c, argc, argv);
    }
    return ctl_fail(EX_USAGE, "no command '%s': qmctl -h lists them", argv[0]);
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
    while ((o = getopt_long(argc, argv, "+c:jhV", options, NULL)) != -1) {
        switch (o) {
        case 'c':
            c.config_path = optarg;
            break;
        case 'j':
            c.json = true;
            break;
        case 'h':
            usage(stdout);
            return EX_OK;
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
    find_run_dir(&c);
    argc -= optind;
    argv += optind;
    optind = 0; /* the subcommand reads its own options, from its beginning */
    int code = run(&c, argc, argv);
    conf_free(&c.conf);
    mem_free(&c.run_dir);
    return code;
}
