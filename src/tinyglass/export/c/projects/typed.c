/* What was typed on the console, or EOF: it does not wait. */
static int typed(void) {
    const int c = getchar();
    if (c == EOF) clearerr(stdin);
    return c;
}
