#include "dnsguard.h"

#include <stdbool.h>

#include <ldns/ldns.h>

#define HEADER_SIZE 12
#define NAME_MAX_OCTETS 255

/* The way through a packet. at never passes p.n. */
struct walk {
    struct span p;
    size_t at;
    bool opt_seen;
    struct fail *f;
};

static unsigned u16_at(struct span p, size_t at)
{
    return (unsigned)p.p[at] << 8 | p.p[at + 1];
}

static int skip(struct walk *w, size_t n, size_t end)
{
    if (n > end - w->at)
        return fail_set(w->f, "a field at octet %zu goes beyond its end", w->at);
    w->at += n;
    return 0;
}

/* Passes over a name that must end before the limit as it stands there; where pointers lead is
 * checked too. A pointer has to lead to before the start of the row of labels that it ends, so that
 * every hop goes back. */
static int skip_name(struct walk *w, size_t limit)
{
    size_t at = w->at, begin = w->at, octets = 1, after = 0;
    unsigned hops = 0;
    for (;;) {
        size_t end = hops == 0 ? limit : w->p.n;
        if (at >= end)
            return fail_set(w->f, "the name at octet %zu has no end", w->at);
        unsigned c = w->p.p[at];
        if (c == 0)
            break;
        if (c >= 0xc0) {
            if (end - at < 2)
                return fail_set(w->f, "half a compression pointer at octet %zu", at);
            size_t target = u16_at(w->p, at) & 0x3fff;
            if (target >= begin || target < HEADER_SIZE || ++hops > DNSGUARD_HOPS_MAX)
                return fail_set(w->f, "a bad compression pointer at octet %zu", at);
            after = after == 0 ? at + 2 : after;
            at = begin = target;
            continue;
        }
        octets += c + 1;
        if (c > 63 || octets > NAME_MAX_OCTETS)
            return fail_set(w->f, "the name at octet %zu is too long", w->at);
        at += c + 1;
    }
    w->at = after == 0 ? at + 1 : after;
    return 0;
}

/* How many octets a field takes that is no name, as ldns_wire2rdf counts them: fixed, counted by
 * its first octet, or all the rest of the record. */
static const unsigned char fixed_sizes[] = {
    [LDNS_RDF_TYPE_CLASS] = 1,
    [LDNS_RDF_TYPE_ALG] = 1,
    [LDNS_RDF_TYPE_CERTIFICATE_USAGE] = 1,
    [LDNS_RDF_TYPE_SELECTOR] = 1,
    [LDNS_RDF_TYPE_MATCHING_TYPE] = 1,
    [LDNS_RDF_TYPE_INT8] = 1,
    [LDNS_RDF_TYPE_TYPE] = 2,
    [LDNS_RDF_TYPE_INT16] = 2,
    [LDNS_RDF_TYPE_CERT_ALG] = 2,
    [LDNS_RDF_TYPE_TIME] = 4,
    [LDNS_RDF_TYPE_INT32] = 4,
    [LDNS_RDF_TYPE_A] = 4,
    [LDNS_RDF_TYPE_PERIOD] = 4,
    [LDNS_RDF_TYPE_TSIGTIME] = 6,
    [LDNS_RDF_TYPE_EUI48] = 6,
    [LDNS_RDF_TYPE_ILNP64] = 8,
    [LDNS_RDF_TYPE_EUI64] = 8,
    [LDNS_RDF_TYPE_AAAA] = 16,
};

static int skip_field(struct walk *w, ldns_rdf_type type, size_t end)
{
    size_t left = end - w->at;
    if ((size_t)type < sizeof fixed_sizes && fixed_sizes[type] > 0)
        return skip(w, fixed_sizes[type], end);
    switch (type) {
    case LDNS_RDF_TYPE_DNAME:
        return skip_name(w, end);
    case LDNS_RDF_TYPE_STR:
    case LDNS_RDF_TYPE_NSEC3_SALT:
    case LDNS_RDF_TYPE_TAG:
    case LDNS_RDF_TYPE_B32_EXT:
    case LDNS_RDF_TYPE_NSEC3_NEXT_OWNER:
        return skip(w, w->p.p[w->at] + (size_t)1, end);
    case LDNS_RDF_TYPE_INT16_DATA:
        return skip(w, left < 2 ? 2 : u16_at(w->p, w->at) + (size_t)2, end);
    case LDNS_RDF_TYPE_HIP:
        return skip(w, left < 4 ? 4 : w->p.p[w->at] + u16_at(w->p, w->at + 2) + (size_t)4, end);
    default:
        return skip(w, left, end);
    }
}

/* The fields of a record, by the very table that ldns will go by: they must end where the record
 * ends, because ldns does not look at that. */
static int skip_fields(struct walk *w, unsigned type, size_t end)
{
    const ldns_rr_descriptor *known = ldns_rr_descript((uint16_t)type);
    size_t most = ldns_rr_descriptor_maximum(known);
    most = most > DNSGUARD_FIELDS_MAX ? DNSGUARD_FIELDS_MAX : most;
    for (size_t i = 0; w->at < end && i < most; i++) {
        if (skip_field(w, ldns_rr_descriptor_field_type(known, i), end) < 0)
            return -1;
    }
    if (w->at != end)
        return fail_set(w->f, "a record of type %u holds more than its fields", type);
    return 0;
}

/* RFC 6891 section 6.1.2: options, each a code, a length and as many octets. */
static int check_options(struct walk *w, size_t end)
{
    for (size_t at = w->at; at < end;) {
        if (end - at < 4 || u16_at(w->p, at + 2) > end - at - 4)
            return fail_set(w->f, "an EDNS option goes beyond its record");
        at += 4 + u16_at(w->p, at + 2);
    }
    return 0;
}

static int check_special(struct walk *w, unsigned type, bool additional, size_t end)
{
    if (type == LDNS_RR_TYPE_TSIG)
        return fail_set(w->f, "a TSIG record that nobody asked for");
    if (type != LDNS_RR_TYPE_OPT)
        return 0;
    if (w->opt_seen || !additional)
        return fail_set(w->f, "an OPT record out of place");
    w->opt_seen = true;
    return check_options(w, end);
}

static int skip_record(struct walk *w, bool additional)
{
    if (skip_name(w, w->p.n) < 0)
        return -1;
    size_t fixed = w->at;
    if (skip(w, 10, w->p.n) < 0)
        return -1;
    unsigned type = u16_at(w->p, fixed), length = u16_at(w->p, fixed + 8);
    if (length > w->p.n - w->at)
        return fail_set(w->f, "the record at octet %zu goes beyond the packet", fixed);
    size_t end = w->at + length;
    if (check_special(w, type, additional, end) < 0)
        return -1;
    return skip_fields(w, type, end);
}

int dnsguard_check(struct span packet, struct fail *f)
{
    struct walk w = {.p = packet, .at = HEADER_SIZE, .f = f};
    if (packet.n < HEADER_SIZE)
        return fail_set(f, "a packet of %zu octets is shorter than a header", packet.n);
    if (u16_at(packet, 4) != 1)
        return fail_set(f, "%u questions instead of one", u16_at(packet, 4));
    unsigned before = u16_at(packet, 6) + u16_at(packet, 8), all = before + u16_at(packet, 10);
    if (all > DNSGUARD_RECORDS_MAX)
        return fail_set(f, "%u records are too many", all);
    if (skip_name(&w, packet.n) < 0 || skip(&w, 4, packet.n) < 0)
        return -1;
    for (unsigned i = 0; i < all; i++) {
        if (skip_record(&w, i >= before) < 0)
            return -1;
    }
    if (w.at != packet.n)
        return fail_set(f, "%zu octets behind the last record", packet.n - w.at);
    return 0;
}
