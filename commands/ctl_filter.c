#include "ctl_filter.h"

#include <getopt.h>
#include <string.h>
#include <sysexits.h>

#include "ascii.h"
#include "mem.h"

const char ctl_filter_usage[] =
    "  ID ...                recipients by their id (#N: as a decimal number)\n"
    "  -m, --message         the ids are of messages: all their recipients\n"
    "      --account NAME    of this account\n"
    "      --from TEXT       the sender has TEXT in it\n"
    "      --to TEXT         the recipient has TEXT in it\n"
    "      --transport NAME  the operator chose this transport\n"
    "      --held, --not-held\n"
    "      --limit N         at most N rows (lists; default all)\n"
    "      --all             everybody (actions, which otherwise want to be told whom)\n"
    "  -n, --dry-run         only say how many it would be (actions)\n";

enum { ACCOUNT = 256, FROM, TO, TRANSPORT, HELD, NOT_HELD, LIMIT, ALL };

static const struct option options[] = {
    {"account", required_argument, NULL, ACCOUNT},
    {"from", required_argument, NULL, FROM},
    {"to", required_argument, NULL, TO},
    {"transport", required_argument, NULL, TRANSPORT},
    {"held", no_argument, NULL, HELD},
    {"not-held", no_argument, NULL, NOT_HELD},
    {"limit", required_argument, NULL, LIMIT},
    {"all", no_argument, NULL, ALL},
    {"message", no_argument, NULL, 'm'},
    {"dry-run", no_argument, NULL, 'n'},
    {NULL, 0, NULL, 0},
};

static void set(char **field, const char *value)
{
    mem_free(field);
    *field = mem_text(value);
}

static int read_option(struct ctl_filter *f, int o)
{
    uint64_t n;
    switch (o) {
    case ACCOUNT:
        set(&f->filter.account, optarg);
        break;
    case FROM:
        set(&f->filter.from, optarg);
        break;
    case TO:
        set(&f->filter.to, optarg);
        break;
    case TRANSPORT:
        set(&f->filter.transport, optarg);
        break;
    case HELD:
        f->filter.held = ADMIN_HELD_YES;
        break;
    case NOT_HELD:
        f->filter.held = ADMIN_HELD_NO;
        break;
    case ALL:
        f->all = true;
        return 0;
    case 'n':
        f->dry = true;
        return 0;
    case 'm':
        f->filter.messages = true;
        return 0;
    case LIMIT:
        if (ascii_u64(span_text(optarg), UINT32_MAX, &n) != 0)
            return ctl_fail(EX_USAGE, "--limit takes a number");
        f->limit = (uint32_t)n;
        return 0;
    default:
        return EX_USAGE;
    }
    f->empty = false;
    return 0;
}

static int add_id(struct ctl_filter *f, const char *text)
{
    uint64_t id;
    int rc = ctl_id(text, &id);
    if (rc != 0)
        return rc;
    if (f->filter.ids_n >= ADMIN_IDS_MAX)
        return ctl_fail(EX_USAGE, "more than %d ids at once", ADMIN_IDS_MAX);
    f->filter.ids = mem_resize(f->filter.ids, (f->filter.ids_n + 1) * sizeof *f->filter.ids);
    f->filter.ids[f->filter.ids_n++] = id;
    f->empty = false;
    return 0;
}

int ctl_filter_read(struct ctl_filter *f, int argc, char **argv)
{
    int o, rc = 0;
    *f = (struct ctl_filter){.empty = true};
    optind = 0;
    while (rc == 0 && (o = getopt_long(argc, argv, "nm", options, NULL)) != -1)
        rc = read_option(f, o);
    for (; rc == 0 && optind < argc; optind++)
        rc = add_id(f, argv[optind]);
    if (rc != 0)
        ctl_filter_clear(f);
    return rc;
}

void ctl_filter_clear(struct ctl_filter *f)
{
    admin_filter_clear(&f->filter);
}
