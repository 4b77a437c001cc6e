#include "names.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buf.h"
#include "mem.h"
#include "wire.h"

#define HEAD 12
enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_MX = 15, TYPE_TXT = 16, TYPE_AAAA = 28, TYPE_TLSA = 52 };
enum { RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3 };

static int type_number(const char *type)
{
    static const struct {
        const char *name;
        int number;
    } types[] = {{"A", TYPE_A},     {"AAAA", TYPE_AAAA}, {"MX", TYPE_MX},
                 {"TXT", TYPE_TXT}, {"TLSA", TYPE_TLSA}, {"CNAME", TYPE_CNAME}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(type, types[i].name) == 0)
            return types[i].number;
    }
    return 0;
}

static void put_name(struct buf *b, const char *name)
{
    while (*name != '\0' && strcmp(name, ".") != 0) {
        size_t n = strcspn(name, ".");
        wire_put_u8(b, (uint8_t)n);
        buf_put(b, name, n);
        name += n + (name[n] == '.');
    }
    wire_put_u8(b, 0);
}

/* "3 1 1 0b9f..." */
static void put_tlsa(struct buf *b, const char *text)
{
    unsigned usage, selector, matching, octet;
    int at;
    if (sscanf(text, "%u %u %u %n", &usage, &selector, &matching, &at) != 3)
        abort();
    wire_put_u8(b, (uint8_t)usage);
    wire_put_u8(b, (uint8_t)selector);
    wire_put_u8(b, (uint8_t)matching);
    for (text += at; sscanf(text, "%2x", &octet) == 1; text += 2)
        wire_put_u8(b, (uint8_t)octet);
}

static void put_value(struct buf *b, const struct name_row *r, int type)
{
    unsigned char octets[16];
    struct buf value = {0};
    if (type == TYPE_MX) {
        wire_put_u16(&value, (uint16_t)atoi(r->value));
        put_name(&value, strchr(r->value, ' ') + 1);
    } else if (type == TYPE_CNAME) {
        put_name(&value, r->value);
    } else if (type == TYPE_TXT) {
        wire_put_u8(&value, (uint8_t)strlen(r->value));
        buf_puts(&value, r->value);
    } else if (type == TYPE_TLSA) {
        put_tlsa(&value, r->value);
    } else {
        int good = inet_pton(type == TYPE_A ? AF_INET : AF_INET6, r->value, octets);
        assert(good == 1);
        buf_put(&value, octets, type == TYPE_A ? 4 : 16);
    }
    wire_put_u16(b, (uint16_t)value.n);
    buf_put_span(b, buf_span(&value));
    buf_free(&value);
}

/* Writes the name in a question as text; returns its length on the wire. */
static size_t read_name(const unsigned char *p, char name[256])
{
    size_t at = 0, n = 0;
    while (p[at] != 0) {
        memcpy(name + n, p + at + 1, p[at]);
        n += p[at];
        name[n++] = '.';
        at += (size_t)p[at] + 1;
    }
    name[n > 0 ? n - 1 : 0] = '\0';
    return at + 1;
}

enum { FAILED = -1, FORGED = -2 };

/* Appends what there is of this type. Returns how many records, or FAILED, or FORGED; *known: the
 * name exists. */
static int put_answers(const struct names *n, struct buf *b, const char *name, int type,
                       bool *known)
{
    int count = 0;
    for (unsigned i = 0; i < n->n; i++) {
        const struct name_row *r = &n->rows[i];
        if (strcasecmp(r->name, name) != 0)
            continue;
        *known = true;
        if (strcmp(r->type, "FAIL") == 0 && type_number(r->value) == type)
            return FAILED;
        if (strcmp(r->type, "FORGED") == 0 && type_number(r->value) == type)
            return FORGED;
        int own = type_number(r->type);
        if (own != type && own != TYPE_CNAME)
            continue;
        put_name(b, name);
        wire_put_u16(b, (uint16_t)own);
        wire_put_u16(b, 1);
        wire_put_u32(b, 60);
        put_value(b, r, own);
        count++;
        if (own != type)
            count += put_answers(n, b, r->value, type, known);
    }
    return count;
}

struct names_late {
    struct names_late *next;
    struct sockaddr_storage from;
    socklen_t from_n;
    unsigned char query[512];
};

/* Of names under n->late. */
static bool is_late(const struct names *n, const char *name, bool *known, int type)
{
    size_t all = strlen(name), part = n->late == NULL ? 0 : strlen(n->late);
    if (part == 0 || part > all || strcasecmp(name + all - part, n->late) != 0)
        return false;
    *known = n->late_but_mx && type == TYPE_MX;
    return !*known;
}

static void answer(struct names *n, const unsigned char *p, const struct sockaddr_storage *from,
                   socklen_t len)
{
    char name[256];
    struct buf b = {0}, answers = {0};
    bool known = false;
    size_t name_n = read_name(p + HEAD, name);
    int type = p[HEAD + name_n] << 8 | p[HEAD + name_n + 1];
    if (is_late(n, name, &known, type)) {
        struct names_late *l = mem_zero(sizeof *l);
        *l = (struct names_late){.next = n->waiting, .from = *from, .from_n = len};
        memcpy(l->query, p, sizeof l->query);
        n->waiting = l;
        return;
    }
    int count = put_answers(n, &answers, name, type, &known);
    bool authentic = n->authentic && (n->insecure == NULL || strcasecmp(name, n->insecure) != 0);
    int rcode = count < 0 ? RCODE_SERVFAIL : !known ? RCODE_NXDOMAIN : 0;
    buf_put(&b, p, 2);
    wire_put_u8(&b, 0x81);
    wire_put_u8(&b, (uint8_t)(0x80 | (authentic ? 0x20 : 0) | rcode));
    wire_put_u16(&b, 1);
    wire_put_u16(&b, (uint16_t)(count > 0 ? count : 0));
    wire_put_u16(&b, 0);
    wire_put_u16(&b, count == FORGED ? 1 : 0);
    buf_put(&b, p + HEAD, name_n + 4);
    if (count > 0)
        buf_put_span(&b, buf_span(&answers));
    if (count == FORGED)
        buf_put(&b, "\0\0\x29\x04\xd0\0\0\0\0\0\x06\0\x0f\0\x02\0\x06", 17);
    (void)!sendto(n->fd, buf_span(&b).p, b.n, 0, (const struct sockaddr *)from, len);
    buf_free(&b);
    buf_free(&answers);
}

static void on_query(evutil_socket_t fd, short what, void *arg)
{
    struct names *n = arg;
    unsigned char p[600];
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    ssize_t got = recvfrom(fd, p, 512, 0, (struct sockaddr *)&from, &len);
    if (got < HEAD + 5)
        return;
    n->queries++;
    answer(n, p, &from, len);
}

void names_catch_up(struct names *n)
{
    n->late = NULL;
    for (struct names_late *l; (l = n->waiting) != NULL;) {
        n->waiting = l->next;
        answer(n, l->query, &l->from, l->from_n);
        mem_free(&l);
    }
}

void names_open(struct names *n, struct event_base *base)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    *n = (struct names){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    if (n->fd < 0 || bind(n->fd, (struct sockaddr *)&sa, sizeof sa) != 0 ||
        getsockname(n->fd, (struct sockaddr *)&sa, &len) != 0)
        abort();
    n->port = ntohs(sa.sin_port);
    n->readable = event_new(base, n->fd, EV_READ | EV_PERSIST, on_query, n);
    (void)event_add(n->readable, NULL);
}

void names_close(struct names *n)
{
    names_catch_up(n);
    event_free(n->readable);
    (void)close(n->fd);
}

void names_add(struct names *n, const char *name, const char *type, const char *value)
{
    assert(n->n < NAMES_MAX);
    n->rows[n->n++] = (struct name_row){name, type, value};
}
