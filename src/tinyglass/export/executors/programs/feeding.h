/* Feeds a program from outside: on a simulated chip through its memory, on a PC through standard input. */
#if defined(__AVR__)
#include <avr/io.h>
/* The simulator feeds at 1, counts from there to 2, and takes the answers at 3. */
int main(void) {
    for (;;) {
        GPIOR0 = 1;
        measured();
        GPIOR0 = 2;
        afterwards();
        GPIOR0 = 3;
    }
}
#elif defined(BARE)
void start(void);
void start(void) {
    measured();
    afterwards();
}
#else
#include <stdio.h>
int main(void) {
    while (fread(&fed, sizeof fed, 1, stdin) == 1) {
        measured();
        afterwards();
        fwrite(&answered, sizeof answered, 1, stdout);
#if defined(CHECKED)
        check_answer();
#endif
    }
#if defined(CHECKED)
    check_vectors();
    if (*wrong) fprintf(stderr, "%s\n", wrong);
    return *wrong != 0;
#else
    return 0;
#endif
}
#endif
