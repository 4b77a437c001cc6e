#ifndef QM_DNSGUARD_H
#define QM_DNSGUARD_H

#include "buf.h"
#include "fail.h"

/* What stands between a packet from the network and ldns_wire2pkt, which trusts its input too far:
 * a chain of compression pointers costs it 200 ms of one packet of 64 KiB, 65 000 empty strings in
 * one TXT record 4 GiB of address space, each TSIG record after the first a leak; and it goes on
 * behind a record at wherever that record's fields happened to end. */

#define DNSGUARD_RECORDS_MAX 512 /* in all sections together */
#define DNSGUARD_HOPS_MAX 64     /* compression pointers in one name */
#define DNSGUARD_FIELDS_MAX 255  /* fields of one record: ldns counts them in an octet */

/* Whether a whole DNS message (RFC 1035 section 4.1) may be given to ldns_wire2pkt: exactly one
 * question, at most DNSGUARD_RECORDS_MAX records, every name at most 255 octets with pointers that
 * only ever lead further back and at most DNSGUARD_HOPS_MAX of them, every record within the
 * message and its fields filling it exactly as ldns reads them, no TSIG, at most one OPT and that
 * one in the additional section with well-formed options, nothing behind the last record. Pure:
 * reads the octets, changes nothing. Returns 0, or -1 with a sentence. */
int dnsguard_check(struct span packet, struct fail *f);

#endif
