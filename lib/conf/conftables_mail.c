#include "conftables.h"

/* Whose mail it is and which way it goes: domains, accounts, routes. */

/* Whoever accepts, sends or signs mail has to know which domains and addresses are ours. */
#define OWNERS (CONF_SMTPD | CONF_QMGR | CONF_DELIVERY | CONF_WEBAPI | CONF_VAULT)

static const struct conf_setting route_settings[] = {
    {"from", CONF_PATTERN, CONF_LIST, CONF_QMGR,
     .doc = "Domains of the envelope sender that this route is for. Without any, all."},
    {"to", CONF_PATTERN, CONF_LIST, CONF_QMGR,
     .doc = "Domains of the recipient that this route is for. Without any, all."},
    {"min-attempts", CONF_INT, 0, CONF_QMGR, "0", .min = "0", .max = "100",
     .doc = "Attempts that must have been made before: 3 makes it a route for the fourth attempt "
            "and later ones."},
    {"transport", CONF_TEXT, CONF_REQUIRED, CONF_QMGR, .min = "1", .max = "64",
     .doc = "Name of the transport that takes the mail."},
};

const struct conf_block_type conftables_route = {
    .name = "route",
    .flags = CONF_REPEATABLE,
    .readers = CONF_QMGR,
    CONF_TABLE(route_settings),
    .doc = "Which transport takes which mail. Routes are tried in the order of the file, those of "
           "the sender's account first, then those of the sender's domain, then those at the top "
           "level; the first that fits is taken, anew for each attempt. Mail without a route is "
           "delivered directly to the MX hosts of its domain.",
};

static const struct conf_setting dkim_settings[] = {
    {"key-file", CONF_PATH, CONF_REQUIRED | CONF_SECRET_FILE, CONF_VAULT,
     .doc = "Private key, PEM: RSA or Ed25519. Only the vault process gets to see it. Signed are "
            "From, To, Cc, Subject, Date, Message-ID, Reply-To, References, In-Reply-To and the "
            "fields of MIME (version, type, encoding), each so that nobody can add another one."},
};

static const struct conf_block_type dkim = {
    .name = "dkim",
    .label = CONF_LABEL_DNS,
    .label_doc = "SELECTOR",
    .readers = OWNERS,
    CONF_TABLE(dkim_settings),
    .doc = "A DKIM signature (RFC 6376) on mail from this domain. Every selector signs.",
};

static const struct conf_setting domain_settings[] = {
    {"catchall-separator", CONF_TEXT, CONF_ASCII, OWNERS, "+", .min = "0", .max = "8",
     .doc = "What begins the part of a local part that does not matter for finding its account: "
            "mail to user+anything goes where mail to user goes. \"\" turns that off."},
    {"disabled", CONF_BOOL, 0, OWNERS, "no",
     .doc =
         "Nobody may send from this domain, and nothing is taken for it: over SMTP and by "
         "sendmail that is put off, with 451 and 450; over the HTTP API it is refused as "
         "domainDisabled. What is in the queue already with a sender in this domain stays there: "
         "each attempt is put off with 4.7.1, and when the domain is enabled again the next "
         "attempt is made as ever. Time runs on for it: after the last attempt it goes back to "
         "its sender. Not concerned are notices and what else has the null sender, and what "
         "strangers have sent."},
};

static const struct conf_block_type *const domain_blocks[] = {&dkim, &conftables_route, NULL};

const struct conf_block_type conftables_domain = {
    .name = "domain",
    .label = CONF_LABEL_HOST,
    .label_doc = "NAME",
    .readers = OWNERS,
    CONF_TABLE(domain_settings),
    .blocks = domain_blocks,
    .doc = "A domain whose mail is taken and sent here. An internationalised name is written in "
           "its A-label form (xn--...).",
};

static const struct conf_setting webhook_settings[] = {
    {"url", CONF_URL, CONF_REQUIRED, CONF_QMGR | CONF_HOOKS, .doc = "Where to POST to."},
    {"authorization", CONF_TEXT, CONF_SECRET, CONF_QMGR | CONF_HOOKS, .min = "1", .max = "2048",
     .doc = "The whole value of the Authorization header to send, such as \"Bearer ...\"."},
    {"signing-key-file", CONF_PATH, CONF_SECRET_FILE, CONF_VAULT | CONF_HOOKS,
     .doc = "Signs what is sent as \"Standard Webhooks\" has it: the headers webhook-id, "
            "webhook-timestamp and webhook-signature. The file has one line, \"whsec_\" and 24 to "
            "64 octets in base64."},
    {"old-signing-key-file", CONF_PATH, CONF_SECRET_FILE, CONF_VAULT | CONF_HOOKS,
     .doc = "A second key to sign with: the one before, until the application knows the new one."},
    {"events", CONF_WORD, CONF_LIST, CONF_QMGR,
     .words = "delivered suppressed delayed failed relayed expanded canceled unrecognized",
     .doc = "Which events of outgoing mail to tell of. Without any, all."},
    {"supersede", CONF_BOOL, 0, CONF_QMGR, "no",
     .doc =
         "Of outgoing mail: only the latest news of a recipient is called for, a call that waits "
         "still gives way to the next. Otherwise all arrive."},
};

static const struct conf_block_type webhook = {
    .name = "webhook",
    .label = CONF_LABEL_SET,
    .words = "outgoing incoming",
    .label_doc = "outgoing | incoming",
    .readers = CONF_QMGR | CONF_HOOKS | CONF_VAULT,
    CONF_TABLE(webhook_settings),
    .doc = "An HTTP endpoint of the application: outgoing is told what becomes of mail it sent, "
           "incoming gets the mail that arrives in the account's mailbox.",
};

static const struct conf_setting account_settings[] = {
    {"address", CONF_MAILBOX, CONF_LIST | CONF_REQUIRED | CONF_WILD, OWNERS,
     .doc = "Mail addresses of this account, of domains that are configured. Upper and lower case "
            "do not matter. *@domain takes what no other address of that domain takes."},
    {"login-disabled", CONF_BOOL, 0, CONF_VAULT, "no",
     .doc = "Let nobody log in to the account, over SMTP or HTTP. Who has the right password is "
            "told that, anybody else what they are told of a wrong one. Mail for its addresses "
            "arrives as ever."},
    {"full-name", CONF_TEXT, 0, CONF_SMTPD | CONF_QMGR | CONF_WEBAPI, .min = "0", .max = "256",
     .doc = "Name in the From header of messages sent without one over the HTTP API."},
    {"from-id-login", CONF_MAILBOX, CONF_LIST, CONF_SMTPD | CONF_QMGR | CONF_WEBAPI,
     .doc = "Login addresses, written exactly as they are used to log in, whose messages get an "
            "envelope sender of their own, so that a later bounce finds the message it is about. "
            "The domain needs a catchall-separator."},
    {"from-id", CONF_WORD, 0, CONF_QMGR, "authenticated", .words = "authenticated plain",
     .doc = "What these envelope senders have in them. authenticated: 26 letters and digits that "
            "nobody but this server can make, and that survive hosts which write them in upper "
            "case. plain: 22 random characters of base64url, as other implementations have them. "
            "What comes back to one that a client chose itself in MAIL FROM, which others may "
            "guess, puts nothing on the suppression list unless this is plain."},
    {"suppress", CONF_BOOL, 0, CONF_QMGR, "yes",
     .doc = "Put an address on the account's suppression list by itself when a server refuses it "
            "for good, or delivery to it has failed three times in a row. A refusal for reasons "
            "that are not the address's does not count: policy, spam, a sender or a host that "
            "are blocked, no connection. No mail is sent to what is on the list, whoever put it "
            "there."},
    {"suppress-expiry", CONF_DURATION, 0, CONF_QMGR, "0", .min = "0", .max = "3650d",
     .doc = "How long an address stays there when it was put on the list by itself; 0 is until "
            "somebody removes it."},
    {"suppress-at-send", CONF_BOOL, 0, CONF_SMTPD | CONF_QMGR, "no",
     .doc = "Refuse to take mail for what is on the list, at RCPT over SMTP (550 5.7.1) and as a "
            "whole over the HTTP API (user). Otherwise such mail is taken, and fails in the queue "
            "without a connection, with the event suppressed."},
    {"keep-retired-messages", CONF_DURATION, 0, CONF_QMGR, .from = "queue/keep-retired-messages",
     .min = "0", .max = "3650d",
     .doc = "How long what became of a message is kept; 0 keeps nothing."},
    {"keep-retired-webhooks", CONF_DURATION, 0, CONF_QMGR, .from = "queue/keep-retired-webhooks",
     .min = "0", .max = "3650d",
     .doc = "How long what became of a webhook call is kept; 0 keeps nothing."},
    {"messages-per-day", CONF_INT, 0, CONF_QMGR, "0", .min = "0", .max = "1000000000",
     .doc = "How many messages the account may send in 24 hours, each recipient counted as one, by "
            "whatever way it logs in; 0 for no limit. The day moves on by the hour. What programs "
            "of this machine hand to sendmail(8) is no account's. There is no limit unless one is "
            "set, since accounts are for applications, and what one of them sends in a day nobody "
            "but its operator knows: any other number would refuse mail that was meant. For a "
            "person, 1000 here and 200 new recipients leave room enough, and little to whoever "
            "has stolen the password."},
    {"new-recipients-per-day", CONF_INT, 0, CONF_QMGR, "0", .min = "0", .max = "1000000000",
     .doc = "To how many addresses that it has not written to in a year the account may send in 24 "
            "hours; 0 for no limit. Addresses are remembered as long as one of these two limits is "
            "set: at first, all are new."},
    {"mailbox", CONF_BOOL, 0, CONF_SMTPD | CONF_QMGR | CONF_DELIVERY | CONF_WEBAPI, "yes",
     .doc = "Deliver incoming mail to a Maildir of this account."},
    {"sent-folder", CONF_TEXT, 0, CONF_WEBAPI, .min = "1", .max = "128",
     .doc =
         "Mailbox where the HTTP API stores what the account sends with SaveSent, such as Sent or "
         "Mail/Sent; it is made where it is missing. Without it, Sent, and no copy is stored where "
         "there is no mailbox of that name."},
};

static const struct conf_block_type *const account_blocks[] = {&webhook, &conftables_route, NULL};

const struct conf_block_type conftables_account = {
    .name = "account",
    .label = CONF_LABEL_NAME,
    .label_doc = "NAME",
    .readers = OWNERS | CONF_HOOKS,
    CONF_TABLE(account_settings),
    .blocks = account_blocks,
    .doc = "An application or person that sends and receives mail. Passwords are not written here.",
};
