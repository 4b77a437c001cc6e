#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "buf.h"
#include "file.h"
#include "mem.h"

/* Runs a fuzz target over files, and over the files of folders, named on the command line; and over
 * no octets at all. What libFuzzer does without looking for more, for builds by another compiler.
 */

enum { INPUT_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

/* The input is copied to the size it has, so that a read beyond its end is seen by the sanitizer.
 */
static int run_file(int dir, const char *name)
{
    struct fail f = {0};
    struct buf input = {0};
    if (file_read(dir, name, INPUT_MAX, &input, &f) != 0) {
        fprintf(stderr, "cannot read %s: %s\n", name, f.text);
        return -1;
    }
    printf("%s, %zu octets\n", name, input.n);
    fflush(stdout);
    unsigned char *exact = mem_alloc(input.n + 1);
    if (input.n > 0)
        memcpy(exact + 1, buf_span(&input).p, input.n);
    LLVMFuzzerTestOneInput(exact + 1, input.n);
    mem_free(&exact);
    buf_free(&input);
    return 0;
}

static int run_folder(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        perror(path);
        return -1;
    }
    int failed = 0, count = 0;
    struct dirent *entry;
    while (failed == 0 && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        failed = run_file(dirfd(folder), entry->d_name);
        count++;
    }
    closedir(folder);
    if (count == 0) {
        fprintf(stderr, "%s: no input in it\n", path);
        return -1;
    }
    return failed;
}

int main(int argc, char **argv)
{
    if (LLVMFuzzerInitialize != NULL)
        LLVMFuzzerInitialize(&argc, &argv);
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        struct stat st;
        bool is_folder = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);
        if ((is_folder ? run_folder(argv[i]) : run_file(AT_FDCWD, argv[i])) != 0)
            return 1;
    }
    return 0;
}
