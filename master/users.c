#include "users.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

static int resolve(const struct conf_block *users, const char *name, struct user_ids *ids,
                   struct fail *f)
{
    const struct conf_value *v = conf_value(users, name);
    if (v->number >= 0) {
        ids->uid = ids->gid = (int)v->number;
    } else {
        const struct passwd *pw = getpwnam(v->text);
        if (pw == NULL)
            return fail_set(f, "users: there is no user %s (setting %s)", v->text, name);
        ids->uid = (int)pw->pw_uid;
        ids->gid = (int)pw->pw_gid;
    }
    if (ids->uid == 0)
        return fail_set(f, "users: %s must not be root", name);
    return ids->gid != 0 ? 0 : fail_set(f, "users: the group of %s must not be root's", name);
}

static int resolve_group(const struct conf_block *users, int *gid, struct fail *f)
{
    const struct conf_value *v = conf_value(users, "admin-group");
    *gid = -1;
    if (v == NULL)
        return 0;
    if (v->number >= 0) {
        *gid = (int)v->number;
        return 0;
    }
    const struct group *gr = getgrnam(v->text);
    if (gr == NULL)
        return fail_set(f, "users: there is no group %s (setting admin-group)", v->text);
    *gid = (int)gr->gr_gid;
    return 0;
}

int users_resolve(struct world *w, const struct conf *conf, struct fail *f)
{
    static const char *const names[ROLES] = {"vault", "deliver", "hooks", "queue", "smtpd", "web"};
    const struct conf_block *users = conf_child(conf_root(conf), "users");
    for (int r = 0; r < ROLES; r++) {
        w->users[r] = (struct user_ids){(int)geteuid(), (int)getegid()};
        if (w->privileged && resolve(users, names[r], &w->users[r], f) != 0)
            return -1;
    }
    return resolve_group(users, &w->admin_gid, f);
}
