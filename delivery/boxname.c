#include "boxname.h"

#include <stdio.h>
#include <string.h>

#include "ascii.h"
#include "proto_mailbox.h"
#include "qid.h"

static bool has_control(const char *s)
{
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            return true;
    }
    return false;
}

bool boxname_is_account(const char *name)
{
    return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

/* The periods divide a folder from what is in it: none of the names between them is empty. The file
 * system's name has one more octet. */
bool boxname_is_folder(const char *name)
{
    size_t n = strlen(name);
    if (n == 0)
        return true;
    return n < MAILPLACE_NAME_MAX && name[0] != '.' && name[n - 1] != '.' &&
           strstr(name, "..") == NULL && strchr(name, '/') == NULL && !has_control(name);
}

bool boxname_is_file(const char *name)
{
    return name[0] != '\0' && name[0] != '.' && name[0] != ':' && strchr(name, '/') == NULL &&
           strlen(name) <= MAILPLACE_NAME_MAX;
}

size_t boxname_base(const char *file)
{
    return strcspn(file, ":");
}

bool boxname_has_base(const char *file, const char *base)
{
    size_t n = strlen(base);
    return strncmp(file, base, n) == 0 && (file[n] == '\0' || file[n] == ':');
}

uint64_t boxname_number(const char *file)
{
    uint64_t number = 0;
    const char *p = file + strcspn(file, ".:");
    if (*p != '.')
        return 0;
    p += 1 + strcspn(p + 1, "C.:,");
    if (*p++ != 'C' || *p < '1' || *p > '9')
        return 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        unsigned digit = (unsigned)(*p - '0');
        if (number > (UINT64_MAX - digit) / 10)
            return 0;
        number = number * 10 + digit;
    }
    return *p == '.' ? number : 0;
}

struct boxname_info boxname_info(const char *file)
{
    struct boxname_info info = {0, 0};
    const char *p = file + boxname_base(file);
    if (strncmp(p, ":2,", 3) != 0)
        return info;
    for (p += 3; *p != '\0'; p++) {
        if (*p >= 'A' && *p <= 'Z')
            info.capitals |= 1u << (*p - 'A');
        else if (*p >= 'a' && *p <= 'z')
            info.keywords |= 1u << (*p - 'a');
    }
    return info;
}

static const struct {
    unsigned flag;
    char letter;
} letters[] = {
    {MAILBOX_DRAFT, 'D'},   {MAILBOX_FLAGGED, 'F'}, {MAILBOX_PASSED, 'P'},
    {MAILBOX_REPLIED, 'R'}, {MAILBOX_SEEN, 'S'},    {MAILBOX_TRASHED, 'T'},
};

uint32_t boxname_capitals(unsigned flags)
{
    uint32_t capitals = 0;
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
        if ((flags & letters[i].flag) != 0)
            capitals |= 1u << (letters[i].letter - 'A');
    }
    return capitals;
}

unsigned boxname_flags(uint32_t capitals)
{
    unsigned flags = 0;
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
        if ((capitals & 1u << (letters[i].letter - 'A')) != 0)
            flags |= letters[i].flag;
    }
    return flags;
}

int boxname_write(char *file, size_t size, const char *base, size_t base_n,
                  const struct boxname_info *info)
{
    char text[2 * BOXNAME_KEYWORDS + 1];
    size_t n = 0;
    for (int i = 0; i < BOXNAME_KEYWORDS; i++) {
        if ((info->capitals & 1u << i) != 0)
            text[n++] = (char)('A' + i);
    }
    for (int i = 0; i < BOXNAME_KEYWORDS; i++) {
        if ((info->keywords & 1u << i) != 0)
            text[n++] = (char)('a' + i);
    }
    text[n] = '\0';
    int length = snprintf(file, size, "%.*s:2,%s", (int)base_n, base, text);
    return length > 0 && (size_t)length < size && length <= MAILPLACE_NAME_MAX ? 0 : -1;
}

static const char sender_field[] = "Return-Path: <",
                  recipient_field[] = "Delivered-To: ", id_field[] = "X-Quartermaster-ID: ";

void boxname_head_write(struct buf *b, const char *sender, const char *recipient, uint64_t id)
{
    char text[QID_SIZE];
    buf_putf(b, "%s%s>\n%s%s\n%s%s\n", sender_field, sender, recipient_field, recipient, id_field,
             qid_text(id, text));
}

/* Takes a line that begins with the name, and gives what is behind that. */
static bool take(struct span *rest, const char *name, struct span *value)
{
    size_t n = strlen(name);
    const unsigned char *end =
        rest->n > n && memcmp(rest->p, name, n) == 0 ? memchr(rest->p, '\n', rest->n) : NULL;
    if (end == NULL)
        return false;
    *value = span_of(rest->p + n, (size_t)(end - rest->p) - n);
    rest->n -= (size_t)(end - rest->p) + 1;
    rest->p = end + 1;
    if (value->n > 0 && value->p[value->n - 1] == '\r')
        value->n--;
    return value->n <= PROTO_ADDRESS_MAX && memchr(value->p, 0, value->n) == NULL;
}

/* An id counts only behind both other lines: further down in a header anybody may have put it. */
struct boxname_head boxname_head(struct span rest)
{
    struct boxname_head h = {.id = 0};
    struct span sender, recipient, id;
    if (!take(&rest, sender_field, &sender))
        return h;
    if (sender.n > 0 && sender.p[sender.n - 1] == '>')
        h.sender = span_of(sender.p, sender.n - 1);
    if (!take(&rest, recipient_field, &recipient))
        return h;
    h.recipient = recipient;
    if (!take(&rest, id_field, &id) || qid_parse(id, &h.id) != 0 || h.id > INT64_MAX)
        h.id = 0;
    return h;
}
