/* 8 MB in blocks, each checked at the end, with a call of the host between them. Exits with 7 where all are as they were written, with 9
   where one is not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCKS = 80, SIZE = 100000 };

int main(void) {
    static unsigned char *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        struct timespec now;
        blocks[i] = malloc(SIZE);
        if (!blocks[i]) return 8;
        memset(blocks[i], i, SIZE);
        clock_gettime(CLOCK_REALTIME, &now);
    }
    for (int i = 0; i < BLOCKS; i++)
        for (int j = 0; j < SIZE; j++)
            if (blocks[i][j] != i) return 9;
    puts("fine");
    return 7;
}
