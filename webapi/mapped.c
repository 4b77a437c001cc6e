#include "mapped.h"

#include <sys/mman.h>
#include <sys/stat.h>

int mapped_open(int fd, struct span *octets)
{
    struct stat st;
    *octets = (struct span){NULL, 0};
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size < 0)
        return -1;
    if (st.st_size == 0)
        return 0;
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return -1;
    *octets = span_of(p, (size_t)st.st_size);
    return 0;
}

void mapped_release(struct span *octets)
{
    if (octets->n > 0)
        (void)munmap((void *)(uintptr_t)octets->p, octets->n);
    *octets = (struct span){NULL, 0};
}
