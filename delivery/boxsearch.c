#include "boxsearch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "mem.h"

#define ROUNDS 2 /* a name that changes while a folder is read may be missed there */

static const struct boxfolder closed = {-1, -1, -1, -1};

static bool is_folder(int account, const struct dirent *e)
{
    struct stat st;
    if (e->d_name[0] != '.' || e->d_name[1] == '\0' || !boxname_is_folder(e->d_name + 1))
        return false;
    return e->d_type == DT_DIR ||
           (e->d_type == DT_UNKNOWN && fstatat(account, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(st.st_mode));
}

int boxsearch_folders(int account, char ***list, size_t *n)
{
    const struct dirent *e;
    DIR *dir = boxfolder_stream(account);
    int error = 0;
    *list = NULL;
    *n = 0;
    if (dir == NULL)
        return -1;
    while (*n < MAILBOX_FOLDERS_MAX && (e = boxfolder_next(dir, &error)) != NULL) {
        if (!is_folder(account, e))
            continue;
        *list = mem_resize(*list, (*n + 1) * sizeof **list);
        (*list)[(*n)++] = mem_text(e->d_name + 1);
    }
    (void)closedir(dir);
    errno = error;
    return error == 0 ? 0 : -1;
}

static void add_folder(struct boxsearch *s, char *name)
{
    s->folders = mem_resize(s->folders, (s->folders_n + 1) * sizeof *s->folders);
    s->folders[s->folders_n++] = name;
}

/* All but the first, which is there. */
static void list_others(struct boxsearch *s)
{
    char **found;
    size_t n;
    if (boxsearch_folders(s->account, &found, &n) != 0)
        s->error = errno;
    if (s->folders[0][0] != '\0')
        add_folder(s, mem_text(""));
    for (size_t i = 0; i < n; i++) {
        if (strcmp(found[i], s->folders[0]) != 0)
            add_folder(s, found[i]);
        else
            mem_free(&found[i]);
    }
    mem_free(&found);
    s->listed = true;
}

void boxsearch_begin(struct boxsearch *s, int account, const struct mail_place *place, uint64_t id)
{
    *s = (struct boxsearch){.account = account, .place = place, .id = id, .open = closed};
    add_folder(s, mem_text(place->folder));
}

static void close_stream(struct boxsearch *s)
{
    if (s->dir != NULL)
        (void)closedir(s->dir);
    s->dir = NULL;
}

void boxsearch_end(struct boxsearch *s)
{
    close_stream(s);
    boxfolder_close(&s->open);
    for (size_t i = 0; i < s->folders_n; i++)
        mem_free(&s->folders[i]);
    mem_free(&s->folders);
    s->folders_n = 0;
}

const char *boxsearch_folder(const struct boxsearch *s)
{
    return s->folders[s->at];
}

int boxsearch_sub(const struct boxsearch *s)
{
    return s->in_cur ? s->open.cur : s->open.new;
}

static void set_name(struct boxsearch *s, const char *name)
{
    (void)snprintf(s->name, sizeof s->name, "%s", name);
}

/* The names that it most likely has, without reading the folder. */
static bool guess(struct boxsearch *s)
{
    static const struct {
        bool in_cur;
        const char *info;
    } guesses[] = {{false, ""}, {true, ":2,"}, {true, ":2,S"}};
    struct stat st;
    for (size_t i = 0; i < sizeof guesses / sizeof guesses[0]; i++) {
        char name[MAILPLACE_NAME_MAX + 8];
        (void)snprintf(name, sizeof name, "%s%s", s->place->name, guesses[i].info);
        s->in_cur = guesses[i].in_cur;
        if (strlen(name) <= MAILPLACE_NAME_MAX &&
            fstatat(boxsearch_sub(s), name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            set_name(s, name);
            return true;
        }
    }
    s->in_cur = false;
    return false;
}

/* A number of an inode is used again: the file has to say that it is this message, or to be as old.
 */
static bool is_same_file(const struct boxsearch *s, const char *name)
{
    static const struct boxwords none;
    struct mailbox_file file;
    if (boxfolder_file("", boxsearch_sub(s), name, &none, &file) != 0)
        return false;
    bool same = file.place.inode == s->place->inode &&
                (s->place->mtime_ms == 0 ? file.line_id == s->id
                                         : file.place.mtime_ms == s->place->mtime_ms);
    mailbox_file_clear(&file);
    return same;
}

/* Looks at one name in the open stream; whether it is the one. */
static bool look(struct boxsearch *s, const struct dirent *e)
{
    if (!boxname_is_file(e->d_name))
        return false;
    if (boxname_has_base(e->d_name, s->place->name)) {
        set_name(s, e->d_name);
        return true;
    }
    if (s->by_inode || s->place->inode == 0 || e->d_ino != s->place->inode ||
        !is_same_file(s, e->d_name))
        return false;
    set_name(s, e->d_name);
    s->by_inode = true;
    s->by_inode_in_cur = s->in_cur;
    return s->at > 0;
}

/* A message goes from new to cur, never back: read in this order it is not missed. */
static bool open_next(struct boxsearch *s)
{
    struct fail f;
    if (s->open.dir < 0) {
        if (boxfolder_open(&s->open, s->account, s->folders[s->at], &f) != 0) {
            if (!boxfolder_is_absent(errno))
                s->error = errno;
            return false;
        }
        s->in_cur = false;
    } else if (!s->in_cur) {
        s->in_cur = true;
    } else {
        return false;
    }
    s->dir = boxfolder_stream(boxsearch_sub(s));
    if (s->dir == NULL)
        s->error = errno;
    return s->dir != NULL;
}

/* The folder is through. */
static enum boxsearch_result go_on(struct boxsearch *s)
{
    if (s->by_inode) {
        s->in_cur = s->by_inode_in_cur;
        return BOXSEARCH_FOUND;
    }
    boxfolder_close(&s->open);
    if (!s->listed)
        list_others(s);
    if (++s->at < s->folders_n)
        return BOXSEARCH_MORE;
    s->at = 0;
    if (++s->rounds < ROUNDS)
        return BOXSEARCH_MORE;
    errno = s->error;
    return s->error == 0 ? BOXSEARCH_ABSENT : BOXSEARCH_FAILED;
}

enum boxsearch_result boxsearch_step(struct boxsearch *s)
{
    const struct dirent *e = NULL;
    if (s->dir == NULL) {
        bool fresh = s->open.dir < 0;
        if (!open_next(s))
            return go_on(s);
        if (fresh && guess(s)) {
            close_stream(s);
            return BOXSEARCH_FOUND;
        }
    }
    for (int i = 0; i < BOXFOLDER_NAMES && (e = boxfolder_next(s->dir, &s->error)) != NULL; i++) {
        if (look(s, e)) {
            close_stream(s);
            return BOXSEARCH_FOUND;
        }
    }
    if (e == NULL)
        close_stream(s);
    return BOXSEARCH_MORE;
}
