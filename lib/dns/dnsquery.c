#include "dnsquery.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ascii.h"
#include "buf.h"
#include "clock.h"
#include "dnsguard.h"
#include "fail.h"
#include "mem.h"
#include "rand.h"

#define HEADER_SIZE 12
#define UDP_ANNOUNCED 1232 /* fits an unfragmented packet on any path (DNS flag day 2020) */
#define UDP_TAKEN 4096     /* for servers that send more than was announced */
#define STRAYS_MAX 100     /* then the server is given up for this try */
#define SICK_MS 20000

enum state {
    ASKING_UDP,
    ASKING_TCP,
    PAUSING, /* between two rounds, so that a server just being restarted is not missed */
    ENDED,   /* the timer will say so */
};

struct dnsquery {
    struct event_base *base;
    struct dnsquery_servers *servers;
    struct dnsname name;
    enum dns_type type;
    dnsquery_fn done;
    void *arg;

    enum state state;
    unsigned char order[DNSQUERY_SERVERS_MAX]; /* indices into servers->list */
    bool spent[DNSQUERY_SERVERS_MAX];          /* by the same index: what it said will not change */
    size_t at;                                 /* into order */
    unsigned round;
    int64_t round_began_ms;

    uint16_t id;
    bool without_edns; /* this server refused it */
    unsigned strays;
    struct buf out; /* two octets of length, then the packet; UDP leaves out the first two */
    size_t sent;    /* of out, over TCP */
    struct buf in;  /* over TCP: two octets of length and what came of the packet */
    int fd;
    struct event *io, *timer;

    enum dns_status status;
    int ede;
    bool was_answered; /* text is about an answer: a mere timeout does not replace it */
    char text[160];
};

static void next_server(struct dnsquery *q);
static void on_io(evutil_socket_t fd, short what, void *arg);
static void on_timer(evutil_socket_t fd, short what, void *arg);

void dnsquery_add_server(struct dnsquery_servers *servers, const struct sockaddr_storage *address)
{
    assert(servers->n < DNSQUERY_SERVERS_MAX);
    struct dnsquery_server *s = &servers->list[servers->n++];
    char host[INET6_ADDRSTRLEN] = "";
    *s = (struct dnsquery_server){.address = *address};
    if (address->ss_family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)&s->address;
        s->length = sizeof *in;
        (void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        (void)snprintf(s->text, sizeof s->text, "%s:%u", host, ntohs(in->sin_port));
    } else {
        assert(address->ss_family == AF_INET6);
        struct sockaddr_in6 *in = (struct sockaddr_in6 *)&s->address;
        s->length = sizeof *in;
        (void)inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
        (void)snprintf(s->text, sizeof s->text, "[%s]:%u", host, ntohs(in->sin6_port));
    }
}

static struct dnsquery_server *current(const struct dnsquery *q)
{
    return &q->servers->list[q->order[q->at]];
}

static void set_timer(struct dnsquery *q, int64_t ms)
{
    struct timeval in = {ms / 1000, ms % 1000 * 1000};
    if (event_add(q->timer, &in) < 0)
        abort();
}

static void hang_up(struct dnsquery *q)
{
    if (q->fd < 0)
        return;
    (void)event_del(q->io);
    (void)close(q->fd);
    q->fd = -1;
}

static void watch(struct dnsquery *q, short what)
{
    (void)event_del(q->io);
    if (event_assign(q->io, q->base, q->fd, (short)(what | EV_PERSIST), on_io, q) < 0 ||
        event_add(q->io, NULL) < 0)
        abort();
}

/* Remembers why there is no answer yet. What a server said outweighs that another was silent. */
static void __attribute__((format(printf, 4, 5)))
note(struct dnsquery *q, enum dns_status status, bool answered, const char *fmt, ...)
{
    if (status == DNS_TEMPORARY)
        q->status = status;
    if (q->was_answered && !answered)
        return;
    q->was_answered = answered;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(q->text, sizeof q->text, fmt, ap);
    va_end(ap);
}

static void note_silence(struct dnsquery *q, const char *what)
{
    current(q)->sick_until_ms = clock_mono_ms() + SICK_MS;
    note(q, DNS_TEMPORARY, false, "%s: %s", current(q)->text, what);
}

static void go_on(struct dnsquery *q)
{
    q->at++;
    next_server(q);
}

/* The server's answer is no answer, and would not be one in the next round. */
static void give_up_server(struct dnsquery *q)
{
    q->spent[q->order[q->at]] = true;
    go_on(q);
}

/* Healthy servers first, each group in the order of the list. */
static void order_servers(struct dnsquery *q)
{
    int64_t now = clock_mono_ms();
    size_t n = 0;
    for (int sick = 0; sick <= 1; sick++) {
        for (size_t i = 0; i < q->servers->n; i++) {
            if ((q->servers->list[i].sick_until_ms > now) == sick)
                q->order[n++] = (unsigned char)i;
        }
    }
}

/* Builds the packet anew, with an id of its own, so that no two tries share one. */
static void build(struct dnsquery *q)
{
    unsigned char *wire = NULL;
    size_t n = 0;
    ldns_rdf *name = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, q->name.n, q->name.p);
    ldns_pkt *packet = name == NULL ? NULL
                                    : ldns_pkt_query_new(name, (ldns_rr_type)q->type,
                                                         LDNS_RR_CLASS_IN, LDNS_RD | LDNS_AD);
    if (packet == NULL)
        abort();
    q->id = (uint16_t)rand_u64();
    ldns_pkt_set_id(packet, q->id);
    if (!q->without_edns)
        ldns_pkt_set_edns_udp_size(packet, UDP_ANNOUNCED);
    if (ldns_pkt2wire(&wire, packet, &n) != LDNS_STATUS_OK)
        abort();
    buf_clear(&q->out);
    buf_putc(&q->out, (int)(n >> 8));
    buf_putc(&q->out, (int)(n & 0xff));
    buf_put(&q->out, wire, n);
    mem_release(wire);
    ldns_pkt_free(packet);
}

/* A socket that takes packets of the current server alone, from a port that the kernel picks at
 * random. Over TCP the connection may still be under way. Returns 0, or -1 with errno. */
static int call(struct dnsquery *q, int type)
{
    hang_up(q);
    const struct dnsquery_server *s = current(q);
    q->fd = socket(s->address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (q->fd < 0)
        return -1;
    if (connect(q->fd, (const struct sockaddr *)&s->address, s->length) == 0 ||
        errno == EINPROGRESS)
        return 0;
    int saved = errno;
    (void)close(q->fd);
    q->fd = -1;
    errno = saved;
    return -1;
}

static int ask_udp(struct dnsquery *q)
{
    q->strays = 0;
    build(q);
    struct span out = buf_span(&q->out);
    if (call(q, SOCK_DGRAM) < 0 || send(q->fd, out.p + 2, out.n - 2, MSG_NOSIGNAL) < 0) {
        note_silence(q, strerror(errno));
        hang_up(q);
        return -1;
    }
    q->servers->counters.sent++;
    q->state = ASKING_UDP;
    watch(q, EV_READ);
    set_timer(q, q->servers->timeout_ms);
    return 0;
}

/* RFC 7766 section 5: the same server again, over TCP, with the whole time of a try. */
static void ask_tcp(struct dnsquery *q)
{
    if (call(q, SOCK_STREAM) < 0) {
        note_silence(q, strerror(errno));
        go_on(q);
        return;
    }
    q->servers->counters.tcp++;
    q->state = ASKING_TCP;
    q->sent = 0;
    buf_clear(&q->in);
    watch(q, EV_WRITE);
    set_timer(q, q->servers->timeout_ms);
}

/* A further round when some server may yet answer, not before the time of a try is over; or else
 * the end. Either comes by the timer, so that nobody is called back before they have returned from
 * asking. */
static void end_round(struct dnsquery *q)
{
    bool hope = false;
    for (size_t i = 0; i < q->servers->n; i++)
        hope = hope || !q->spent[i];
    q->round++;
    q->state = hope && q->round < q->servers->tries ? PAUSING : ENDED;
    int64_t left = q->round_began_ms + q->servers->timeout_ms - clock_mono_ms();
    set_timer(q, q->state == PAUSING && left > 0 ? left : 0);
}

static void next_server(struct dnsquery *q)
{
    hang_up(q);
    for (; q->at < q->servers->n; q->at++) {
        q->without_edns = false;
        if (!q->spent[q->order[q->at]] && ask_udp(q) == 0)
            return;
    }
    end_round(q);
}

static void begin_round(struct dnsquery *q)
{
    q->at = 0;
    q->round_began_ms = clock_mono_ms();
    next_server(q);
}

/* RFC 5452 section 9.1, as far as the socket being connected has not seen to it: our id, a response
 * to a query, our question. A refusal may consist of the header alone. */
static bool is_ours(const struct dnsquery *q, struct span p)
{
    if (p.n < HEADER_SIZE || (p.p[0] << 8 | p.p[1]) != q->id || (p.p[2] & 0xf8) != 0x80)
        return false;
    if (p.n == HEADER_SIZE)
        return p.p[4] == 0 && p.p[5] == 0 && (p.p[3] & 0x0f) != 0;
    unsigned char question[sizeof q->name.p + 4];
    size_t n = q->name.n + 4;
    if (p.n < HEADER_SIZE + n || p.p[4] != 0 || p.p[5] != 1)
        return false;
    for (size_t i = 0; i < q->name.n; i++) /* a length octet is below 64, so folding leaves it be */
        question[i] = (unsigned char)ascii_lower(p.p[HEADER_SIZE + i]);
    memcpy(question + q->name.n, p.p + HEADER_SIZE + q->name.n, 4);
    const unsigned char tail[4] = {(unsigned char)(q->type >> 8), (unsigned char)q->type, 0,
                                   LDNS_RR_CLASS_IN};
    return memcmp(question, q->name.p, q->name.n) == 0 &&
           memcmp(question + q->name.n, tail, 4) == 0;
}

static int packet_ede(const ldns_pkt *packet)
{
    const ldns_rdf *options = packet == NULL ? NULL : ldns_pkt_edns_data(packet);
    if (options == NULL)
        return DNSEDE_NONE;
    return dnsede_find(span_of(ldns_rdf_data(options), ldns_rdf_size(options)));
}

static void deliver(struct dnsquery *q, ldns_pkt *packet)
{
    current(q)->sick_until_ms = 0;
    hang_up(q);
    (void)event_del(q->timer);
    q->state = ENDED;
    struct dnsquery_outcome outcome = {.packet = packet, .ede = packet_ede(packet), .text = ""};
    q->done(&outcome, q->arg); /* q may be gone now */
    ldns_pkt_free(packet);
}

/* NOERROR with nothing in it from a server that does not recurse: it refers us elsewhere. */
static bool is_referral(const ldns_pkt *packet)
{
    return ldns_pkt_get_rcode(packet) == LDNS_RCODE_NOERROR && !ldns_pkt_ra(packet) &&
           !ldns_pkt_aa(packet) && ldns_pkt_ancount(packet) == 0;
}

static const char *const rcode_names[] = {
    [LDNS_RCODE_NOERROR] = "NOERROR",   [LDNS_RCODE_FORMERR] = "FORMERR",
    [LDNS_RCODE_SERVFAIL] = "SERVFAIL", [LDNS_RCODE_NXDOMAIN] = "NXDOMAIN",
    [LDNS_RCODE_NOTIMPL] = "NOTIMP",    [LDNS_RCODE_REFUSED] = "REFUSED",
};

/* An answer that refuses to answer. packet is NULL when all that came is a header. */
static void refused(struct dnsquery *q, unsigned rcode, const ldns_pkt *packet)
{
    bool no_edns_back = packet == NULL || !ldns_pkt_edns(packet);
    if ((rcode == LDNS_RCODE_FORMERR || rcode == LDNS_RCODE_NOTIMPL) && no_edns_back &&
        !q->without_edns) { /* RFC 6891 section 7: a server from before EDNS */
        q->without_edns = true;
        if (ask_udp(q) < 0)
            go_on(q);
        return;
    }
    const char *server = current(q)->text;
    const char *name =
        rcode < sizeof rcode_names / sizeof rcode_names[0] ? rcode_names[rcode] : NULL;
    int ede = packet_ede(packet);
    q->ede = ede == DNSEDE_NONE ? q->ede : ede;
    if (name == NULL)
        note(q, DNS_TEMPORARY, true, "response code %u from %s", rcode, server);
    else if (rcode == LDNS_RCODE_NOERROR)
        note(q, DNS_TEMPORARY, true, "%s does not recurse", server);
    else if (ede == DNSEDE_NONE)
        note(q, DNS_TEMPORARY, true, "%s from %s", name, server);
    else
        note(q, DNS_TEMPORARY, true, "%s from %s (%s)", name, server, dnsede_name(ede));
    give_up_server(q);
}

static void malformed(struct dnsquery *q, const char *why)
{
    q->servers->counters.malformed++;
    note(q, DNS_BAD, true, "malformed answer from %s: %s", current(q)->text, why);
    give_up_server(q);
}

static void take_answer(struct dnsquery *q, struct span answer)
{
    struct fail f;
    ldns_pkt *packet = NULL;
    if (answer.n == HEADER_SIZE) {
        refused(q, answer.p[3] & 0x0f, NULL);
        return;
    }
    if (dnsguard_check(answer, &f) < 0) {
        malformed(q, f.text);
        return;
    }
    if (ldns_wire2pkt(&packet, answer.p, answer.n) != LDNS_STATUS_OK) {
        malformed(q, "its records cannot be read");
        return;
    }
    unsigned rcode =
        (unsigned)ldns_pkt_edns_extended_rcode(packet) << 4 | ldns_pkt_get_rcode(packet);
    if ((rcode == LDNS_RCODE_NOERROR && !is_referral(packet)) || rcode == LDNS_RCODE_NXDOMAIN) {
        deliver(q, packet);
        return;
    }
    refused(q, rcode, packet);
    ldns_pkt_free(packet);
}

static void on_datagram(struct dnsquery *q)
{
    unsigned char packet[UDP_TAKEN];
    ssize_t n = recv(q->fd, packet, sizeof packet, MSG_TRUNC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) { /* an ICMP message, most likely */
        note_silence(q, strerror(errno));
        go_on(q);
        return;
    }
    bool cut = (size_t)n > sizeof packet;
    struct span answer = span_of(packet, cut ? sizeof packet : (size_t)n);
    if (!is_ours(q, answer)) {
        q->servers->counters.strays++;
        if (++q->strays < STRAYS_MAX)
            return;
        note(q, DNS_TEMPORARY, true, "%s answers other questions", current(q)->text);
        go_on(q);
    } else if (cut || (answer.p[2] & 0x02) != 0) {
        ask_tcp(q);
    } else {
        take_answer(q, answer);
    }
}

static void stream_failed(struct dnsquery *q, const char *what)
{
    note(q, DNS_TEMPORARY, false, "%s over TCP: %s", current(q)->text, what);
    go_on(q);
}

static void on_writable(struct dnsquery *q)
{
    struct span out = buf_span(&q->out);
    ssize_t n = send(q->fd, out.p + q->sent, out.n - q->sent, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        stream_failed(q, strerror(errno));
        return;
    }
    q->sent += (size_t)n;
    if (q->sent == out.n)
        watch(q, EV_READ);
}

/* How many octets the answer has with its length in front, as far as is known; 65537 at most. */
static size_t stream_wanted(struct span in)
{
    return in.n < 2 ? 2 : 2 + ((size_t)in.p[0] << 8 | in.p[1]);
}

static void on_stream(struct dnsquery *q)
{
    size_t wanted = stream_wanted(buf_span(&q->in)) - q->in.n;
    ssize_t n = recv(q->fd, buf_room(&q->in, wanted), wanted, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        stream_failed(q, n == 0 ? "closed before the answer" : strerror(errno));
        return;
    }
    buf_grew(&q->in, (size_t)n);
    struct span in = buf_span(&q->in);
    if (in.n < 2 || in.n < stream_wanted(in))
        return;
    struct span answer = span_of(in.p + 2, in.n - 2);
    if (is_ours(q, answer))
        take_answer(q, answer);
    else
        malformed(q, "it is to another question");
}

static void on_io(evutil_socket_t fd, short what, void *arg)
{
    struct dnsquery *q = arg;
    if (q->state == ASKING_UDP)
        on_datagram(q);
    else if ((what & EV_WRITE) != 0)
        on_writable(q);
    else
        on_stream(q);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct dnsquery *q = arg;
    switch (q->state) {
    case ASKING_UDP:
    case ASKING_TCP:
        q->servers->counters.timeouts++;
        note_silence(q, "no answer in time");
        go_on(q);
        break;
    case PAUSING:
        begin_round(q);
        break;
    case ENDED: {
        struct dnsquery_outcome outcome = {.status = q->status, .ede = q->ede, .text = q->text};
        q->done(&outcome, q->arg); /* q may be gone now */
        break;
    }
    }
}

struct dnsquery *dnsquery_start(struct event_base *base, struct dnsquery_servers *servers,
                                const struct dnsname *name, enum dns_type type, dnsquery_fn done,
                                void *arg)
{
    assert(servers->n > 0);
    struct dnsquery *q = mem_zero(sizeof *q);
    q->base = base;
    q->servers = servers;
    q->name = *name;
    q->type = type;
    q->done = done;
    q->arg = arg;
    q->fd = -1;
    q->status = DNS_BAD;
    q->ede = DNSEDE_NONE;
    q->io = event_new(base, -1, 0, on_io, q);
    q->timer = evtimer_new(base, on_timer, q);
    if (q->io == NULL || q->timer == NULL)
        abort();
    order_servers(q);
    begin_round(q);
    return q;
}

void dnsquery_stop(struct dnsquery **q)
{
    if (*q == NULL)
        return;
    hang_up(*q);
    event_free((*q)->io);
    event_free((*q)->timer);
    buf_free(&(*q)->out);
    buf_free(&(*q)->in);
    mem_free(q);
}
