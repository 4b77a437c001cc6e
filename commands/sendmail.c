/* sendmail, and mailq, newaliases, rmail and send-mail, by which names it is called too: the way
 * programs have handed over mail on Unix since the 1980s. It runs with the rights of its caller. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "sm_options.h"
#include "sm_queue.h"
#include "sm_say.h"
#include "sm_site.h"
#include "sm_submit.h"

static const char usage[] =
    "usage: sendmail [-i] [-t] [-f sender] [-F name] [option ...] [--] recipient ...\n"
    "       sendmail -bp [-j] | mailq [-j]      list the queue\n"
    "       sendmail -bv address ...            tell how addresses are read\n"
    "       sendmail -q                         try what is in the queue now\n"
    "       sendmail -bi | newaliases\n"
    "       rmail recipient ...\n"
    "\n"
    "The message comes from standard input. sendmail(8) tells all options and exit codes.\n";

static int submit(const struct sm_options *o, const struct sm_site *site, struct buf *complaints)
{
    return sm_submit(o, site, STDIN_FILENO, complaints);
}

/* There are no alias files to be rebuilt: what there is stands in the configuration. */
static int aliases(const struct sm_options *o, const struct sm_site *site, struct buf *complaints)
{
    return EX_OK;
}

static int help(const struct sm_options *o, const struct sm_site *site, struct buf *complaints)
{
    (void)fputs(usage, stdout);
    return EX_OK;
}

static int version(const struct sm_options *o, const struct sm_site *site, struct buf *complaints)
{
    (void)printf("%s of quartermaster %s\n", o->program, QM_VERSION);
    return EX_OK;
}

typedef int run(const struct sm_options *o, const struct sm_site *site, struct buf *complaints);

static run *const modes[] = {
    [SM_MODE_SUBMIT] = submit,        [SM_MODE_LIST] = sm_queue_list,
    [SM_MODE_ALIASES] = aliases,      [SM_MODE_VERIFY] = sm_submit_verify,
    [SM_MODE_FLUSH] = sm_queue_flush, [SM_MODE_HELP] = help,
    [SM_MODE_VERSION] = version,
};

/* A caller may have closed these; nothing that is opened here may take their place. */
static void open_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        (void)close(fd);
}

static void say(const struct sm_options *o, const struct buf *lines)
{
    char mark[32];
    (void)snprintf(mark, sizeof mark, "%s:", o->program);
    if (!o->quiet)
        sm_say(mark, buf_span(lines));
}

int main(int argc, char **argv)
{
    struct sm_options o;
    struct sm_site site;
    struct buf complaints = {0};
    struct fail f;
    open_standard_descriptors();
    /* That nobody reads what is said must not make a failure of a message that is queued. */
    (void)signal(SIGPIPE, SIG_IGN);
    tzset();
    int code = sm_options_read(&o, argc, argv, &f) == 0 ? EX_OK : o.refusal;
    if (code != EX_OK) {
        buf_putf(&complaints, "%s\n", f.text);
    } else {
        sm_site_find(&site, &o);
        say(&o, &o.warnings);
        code = modes[o.mode](&o, &site, &complaints);
        sm_site_clear(&site);
    }
    say(&o, &complaints);
    buf_free(&complaints);
    sm_options_clear(&o);
    return code;
}
