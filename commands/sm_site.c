#include "sm_site.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ascii.h"
#include "conf.h"
#include "domain.h"
#include "file.h"
#include "mem.h"
#include "sm_settings.h"

#define MAILNAME_FILE "/etc/mailname"
#define MAILNAME_FILE_MAX 4096
#define CONFIG_FILE "/etc/quartermaster/quartermaster.conf"
#define RUN_DIR "/run/quartermaster"
#define FULL_NAME_MAX 200 /* octets of a full name */

char *sm_site_mailname(struct span text)
{
    char *domain;
    ssize_t end = span_find(text, '\n');
    if (end >= 0)
        text.n = (size_t)end;
    text = ascii_trim(text);
    if (text.n > 0 && text.p[text.n - 1] == '.')
        text.n--;
    return domain_parse(text, &domain, NULL) == 0 ? domain : NULL;
}

char *sm_site_full_name(const char *gecos, const char *login)
{
    struct buf name = {0};
    for (const char *p = gecos; *p != '\0' && *p != ',' && name.n < FULL_NAME_MAX; p++) {
        if (*p == '&' && login[0] != '\0') {
            buf_putc(&name, ascii_upper((unsigned char)login[0]));
            buf_puts(&name, login + 1);
        } else {
            buf_putc(&name, (unsigned char)*p);
        }
    }
    return buf_take_text(&name);
}

/* Several logins may share one user id: $LOGNAME then tells which, if it is one of them. */
static struct passwd *find_caller(void)
{
    uid_t uid = getuid();
    const char *hint = getenv("LOGNAME");
    struct passwd *p = hint != NULL ? getpwnam(hint) : NULL;
    return p != NULL && p->pw_uid == uid ? p : getpwuid(uid);
}

static void find_login(struct sm_site *s)
{
    const char *name = getenv("NAME");
    const struct passwd *p = find_caller();
    s->login = p != NULL ? mem_text(p->pw_name) : mem_format("uid%lu", (unsigned long)getuid());
    if (name != NULL && name[0] != '\0')
        s->name = mem_textn(name, strnlen(name, FULL_NAME_MAX));
    else
        s->name = sm_site_full_name(p != NULL ? p->pw_gecos : "", s->login);
}

/* The caller may name any configuration: this program has no rights of its own to be misused. */
static struct conf *load(struct sm_options *o)
{
    struct conf_errors errors;
    const char *path = o->config != NULL ? o->config : CONFIG_FILE;
    struct conf *conf = conf_load(path, &errors);
    conf_errors_free(&errors);
    if (conf == NULL && o->config != NULL)
        sm_settings_warn(o, "-C %s: no configuration of this suite, passed over", o->config);
    return conf;
}

/* The same that the server takes, so that both speak of the same mailboxes. */
static char *find_mailname(const struct conf *conf)
{
    struct buf text = {0};
    char host[256];
    char *domain = conf != NULL ? mem_text(conf_text(conf_root(conf), "mailname")) : NULL;
    if (domain == NULL && file_read(AT_FDCWD, MAILNAME_FILE, MAILNAME_FILE_MAX, &text, NULL) == 0)
        domain = sm_site_mailname(buf_span(&text));
    buf_free(&text);
    if (domain == NULL && conf != NULL)
        domain = mem_text(conf_text(conf_root(conf), "hostname"));
    if (domain == NULL && gethostname(host, sizeof host) == 0)
        domain = sm_site_mailname(span_of(host, strnlen(host, sizeof host)));
    return domain != NULL ? domain : mem_text("localhost");
}

void sm_site_find(struct sm_site *s, struct sm_options *o)
{
    struct conf *conf = load(o);
    *s = (struct sm_site){.mailname = find_mailname(conf)};
    s->run_dir = mem_text(conf != NULL ? conf_text(conf_root(conf), "run-dir") : RUN_DIR);
    find_login(s);
    conf_free(&conf);
}

void sm_site_clear(struct sm_site *s)
{
    mem_free(&s->mailname);
    mem_free(&s->login);
    mem_free(&s->name);
    mem_free(&s->run_dir);
}
