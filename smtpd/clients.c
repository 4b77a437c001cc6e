#include "clients.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#include "mem.h"
#include "trees.h"

enum { KEY_SIZE = 17 };

struct client {
    RB_ENTRY(client) entry;
    unsigned char key[KEY_SIZE]; /* what it is, then who */
    unsigned connections;
};

RB_HEAD(client_tree, client);

struct clients {
    struct client_tree tree;
    size_t n;
};

static int compare(struct client *a, struct client *b)
{
    return memcmp(a->key, b->key, KEY_SIZE);
}

RB_GENERATE_STATIC(client_tree, client, entry, compare)

struct clients *clients_new(void)
{
    struct clients *c = mem_zero(sizeof *c);
    RB_INIT(&c->tree);
    return c;
}

void clients_free(struct clients **c)
{
    assert(*c == NULL || (*c)->n == 0);
    mem_free(c);
}

static struct client *enter(struct clients *c, const unsigned char key[KEY_SIZE], unsigned max)
{
    struct client wanted;
    memcpy(wanted.key, key, KEY_SIZE);
    struct client *found = RB_FIND(client_tree, &c->tree, &wanted);
    if (found != NULL && found->connections >= max)
        return NULL;
    if (found == NULL) {
        found = mem_zero(sizeof *found);
        memcpy(found->key, key, KEY_SIZE);
        (void)RB_INSERT(client_tree, &c->tree, found);
        c->n++;
    }
    found->connections++;
    return found;
}

struct client *clients_enter(struct clients *c, const struct sockaddr *peer, unsigned max)
{
    unsigned char key[KEY_SIZE] = {0};
    if (peer->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;
        key[0] = 6;
        memcpy(key + 1, &v6->sin6_addr, 8);
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;
        key[0] = 4;
        memcpy(key + 1, &v4->sin_addr, 4);
    }
    return enter(c, key, max);
}

struct client *clients_enter_user(struct clients *c, uint32_t uid, unsigned max)
{
    unsigned char key[KEY_SIZE] = {'u'};
    memcpy(key + 1, &uid, sizeof uid);
    return enter(c, key, max);
}

void clients_leave(struct clients *c, struct client **cp)
{
    struct client *client = *cp;
    *cp = NULL;
    if (client == NULL || --client->connections > 0)
        return;
    (void)RB_REMOVE(client_tree, &c->tree, client);
    c->n--;
    mem_free(&client);
}

size_t clients_count(const struct clients *c)
{
    return c->n;
}
