#include "sent.h"

#include "file.h"
#include "foldername.h"
#include "log.h"
#include "mem.h"
#include "proto_mail.h"
#include "proto_mailbox.h"

#define FOLDER "Sent" /* unless the account's settings name another */

struct sent {
    struct peers *peers;
    char *account, *once_key;       /* the latter NULL for none */
    uint64_t asked_box, asked_qmgr; /* 0: not */
    sent_on_saved *on_saved;
    void *arg;
};

static void free_sent(struct sent *s)
{
    mem_free(&s->account);
    mem_free(&s->once_key);
    mem_free(&s);
}

static void saved(struct sent *s, enum sent_result result)
{
    s->on_saved(s->arg, result);
    free_sent(s);
}

void sent_cancel(struct sent **sp)
{
    struct sent *s = *sp;
    *sp = NULL;
    if (s == NULL)
        return;
    if (s->asked_box != 0)
        mailbox_forget(peers_mailboxes(s->peers), s->asked_box);
    if (s->asked_qmgr != 0)
        mail_forget(peers_accounts(s->peers), s->asked_qmgr);
    free_sent(s);
}

/* Without an answer the copy has its id as soon as it is listed; it is in its place. */
static void on_noted(void *arg, const struct mail_answer *answer)
{
    struct sent *s = arg;
    s->asked_qmgr = 0;
    if (answer->result != MAIL_DONE)
        log_warn(NULL, "a copy of a sent message has no id yet", LS("account", s->account));
    saved(s, SENT_SAVED);
}

static void note(struct sent *s, const struct mailbox_file *file, const struct mail_words *keywords)
{
    const struct mail_seen seen = {.place = file->place,
                                   .line_id = file->line_id,
                                   .links = file->links,
                                   .mail_from = file->mail_from,
                                   .rcpt_to = file->rcpt_to,
                                   .keywords = *keywords};
    struct ipc *ch = peers_accounts(s->peers);
    if (ch == NULL)
        saved(s, SENT_SAVED);
    else if (s->once_key != NULL)
        s->asked_qmgr = mail_note_copy(ch, s->account, &seen, s->once_key, on_noted, s);
    else
        s->asked_qmgr = mail_note(ch, s->account, &seen, 1, on_noted, s);
}

static void on_stored(void *arg, struct mailbox_answer *answer)
{
    static const enum sent_result results[MAILBOX_RESULTS] = {
        [MAILBOX_DONE] = SENT_SAVED,       [MAILBOX_NO_FOLDER] = SENT_NOWHERE,
        [MAILBOX_OVER_QUOTA] = SENT_FULL,  [MAILBOX_ELSEWHERE] = SENT_FAILED,
        [MAILBOX_ABSENT] = SENT_FAILED,    [MAILBOX_SAME_FOLDER] = SENT_FAILED,
        [MAILBOX_TOO_LARGE] = SENT_FAILED, [MAILBOX_UNAVAILABLE] = SENT_FAILED,
    };
    struct sent *s = arg;
    s->asked_box = 0;
    if (answer->result == MAILBOX_DONE && answer->files_n == 1)
        note(s, &answer->files[0], &answer->unplaced);
    else
        saved(s, results[answer->result]);
}

struct sent *sent_save(struct peers *p, const struct conf_block *account, int file, uint64_t skip,
                       struct span head, const struct sent_once *once, sent_on_saved *on_saved,
                       void *arg, enum sent_result *result)
{
    char *words[] = {(char *)"$notjunk"};
    const struct mailbox_copy copy = {.octets = file,
                                      .skip = skip,
                                      .head = head,
                                      .flags = MAILBOX_SEEN,
                                      .keywords = {words, 1},
                                      .number = once == NULL ? 0 : once->number,
                                      .again = once != NULL && once->again};
    bool named = conf_is_set(account, "sent-folder");
    char *folder = foldername_stored(span_text(named ? conf_text(account, "sent-folder") : FOLDER));
    struct ipc *ch = peers_mailboxes(p);
    struct sent *s = NULL;
    *result = !conf_bool(account, "mailbox")             ? SENT_NOWHERE
              : file < 0 || ch == NULL || folder == NULL ? SENT_FAILED
                                                         : SENT_SAVED;
    if (*result == SENT_SAVED) {
        s = mem_zero(sizeof *s);
        *s = (struct sent){
            .peers = p, .account = mem_text(conf_label(account)), .on_saved = on_saved, .arg = arg};
        if (once != NULL)
            s->once_key = mem_text(once->key);
        s->asked_box = mailbox_store(ch, s->account, folder, named, &copy, on_stored, s);
    }
    file_close(&file);
    mem_free(&folder);
    return s;
}
