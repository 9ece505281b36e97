/* SPDX-License-Identifier: Apache-2.0
 *
 * tally: adds up records of the form TAG LENGTH VALUE, one byte each for tag and length.
 *
 * It is made to be proved wrong: next_record() believes the length that the file gives. That is one mistake
 * with two faces, a value longer than the buffer and a value longer than what is left of the file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_SIZE = 48, FILE_LIMIT = 1 << 20 };

struct record {
    unsigned char tag;
    size_t length;
    unsigned char *value;
};

/* Returns the bytes consumed, 0 at the end, -1 when the file is malformed. */
static long next_record(const unsigned char *bytes, size_t left, struct record *record)
{
    if (left == 0)
        return 0;
    if (left < 2)
        return -1;
    record->tag = bytes[0];
    record->length = bytes[1];
    memcpy(record->value, bytes + 2, record->length);
    return (long)(2 + record->length);
}

static unsigned long weight(const struct record *record)
{
    unsigned long sum = 0;
    for (size_t i = 0; i < record->length; i++)
        sum += record->value[i];
    return sum;
}

static int tally(const unsigned char *bytes, size_t size)
{
    unsigned long totals[256] = {0};
    struct record record = {.value = malloc(VALUE_SIZE)};
    size_t at = 0;
    long used;

    if (record.value == NULL)
        return 2;
    while ((used = next_record(bytes + at, size - at, &record)) > 0) {
        totals[record.tag] += weight(&record);
        at += (size_t)used;
    }
    free(record.value);
    if (used < 0) {
        fprintf(stderr, "tally: malformed record at byte %zu\n", at);
        return 1;
    }
    for (int tag = 0; tag < 256; tag++)
        if (totals[tag] > 0)
            printf("%d: %lu\n", tag, totals[tag]);
    return 0;
}

int main(int argc, char **argv)
{
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    unsigned char *room = malloc(FILE_LIMIT);
    unsigned char *bytes;
    size_t size;
    int status;

    if (file == NULL || room == NULL) {
        fprintf(stderr, "usage: tally FILE\n");
        return 2;
    }
    size = fread(room, 1, FILE_LIMIT, file);
    fclose(file);
    bytes = realloc(room, size > 0 ? size : 1);
    if (bytes == NULL)
        return 2;
    status = tally(bytes, size);
    free(bytes);
    return status;
}
