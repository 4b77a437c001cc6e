#ifndef QM_HOSTS_H
#define QM_HOSTS_H

#include "lab.h"

/* Tests of hosts and addresses: two peers more, and what becomes of one order. */

#define DELIVERED "delivered 250 2.0.0 dot [250 2.0.0 queued]"

static struct peer second, sixth; /* on 127.0.0.2 and ::1, at the first peer's port */

static int setup(void **state)
{
    lab_open_direct("idle-timeout 0");
    peer_open(&second, lab.base, "127.0.0.2", lab.peer.port);
    peer_open(&sixth, lab.base, "::1", lab.peer.port);
    return 0;
}

static int teardown(void **state)
{
    RUN_UNTIL(second.closed == second.opened && sixth.closed == sixth.opened);
    peer_close(&second);
    peer_close(&sixth);
    lab_close();
    return 0;
}

static void expect(const char *outcome, const char *host, const char *address)
{
    struct order o = {0};
    order_run(&o);
    assert_outcome(&o, 0, outcome);
    assert_string_equal(o.results[0].remote_host, host);
    assert_string_equal(o.results[0].remote_address, address);
    order_free(&o);
}

#endif
