static int asked = 0; /* whether the line has come to its end */

/* What was typed on the console and is no part of a line that begins with a digit or "=", or EOF: it does not wait. */
static int typed(void) {
    static size_t n = 0;
    const int c = asked ? EOF : getchar();
    if (c == EOF) {
        clearerr(stdin);
    } else if (c == '\n' || c == '\r') {
        line[n] = 0;
        asked = n > 0;
        n = 0;
    } else if (n || c == '=' || (c >= '0' && c <= '9')) {
        if (n < sizeof line - 1) line[n++] = (char)c;
    } else {
        return c;
    }
    return EOF;
}
