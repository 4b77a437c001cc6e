#include "mem.h"
#include "proto_master.h"

void master_status_clear(struct master_status *s)
{
    for (uint32_t i = 0; i < s->processes_n; i++) {
        mem_free(&s->processes[i].name);
        mem_free(&s->processes[i].root);
        mem_free(&s->processes[i].seccomp);
        mem_free(&s->processes[i].state);
    }
    mem_free(&s->processes);
    mem_free(&s->config_path);
    s->processes_n = 0;
}
