/* Run an AVR program on libsimavr, feed it readings and take its answers.
 * usage: avr_runner PROGRAM.elf MCU END FED BYTES ANSWERED BYTES   (addresses in RAM; END is that of its variables)
 * Readings come from standard input; of each prediction the answers, its cycles and its bytes of stack go to standard
 * output, as int64. */
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>
#include <simavr/sim_io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GENERAL_PURPOSE_0 = 0x3e, LONGEST = 2000000000 };
/* The stack pointer is written in two instructions; between them it points to where no stack is. */
enum { WITHOUT_REGISTER = 0xfe0f, OUT_HIGH = 0xbe0e, OUT_LOW = 0xbe0d };

static unsigned address[2], size[2]; /* what it is fed with, what it answered */
static int over, counting, half_written;
static unsigned lowest, before, end;
static avr_cycle_count_t began;
static int64_t cost[2]; /* cycles, stack */
static FILE *answers;

static unsigned stack_pointer(avr_t *avr) { return avr->data[R_SPL] | (avr->data[R_SPH] << 8); }

static void told(avr_t *avr, avr_io_addr_t at, uint8_t what, void *unused) {
    (void)unused;
    avr->data[at] = what;
    if (what == 1) {
        if (fread(avr->data + address[0], size[0], 1, stdin) != 1) over = 1;
        began = avr->cycle;
        lowest = before = stack_pointer(avr);
        counting = 1;
    } else if (what == 2) {
        counting = 0;
        cost[0] = (int64_t)(avr->cycle - began);
        cost[1] = before - lowest;
    } else if (what == 3) {
        fwrite(avr->data + address[1], size[1], 1, answers);
        fwrite(cost, sizeof cost, 1, answers);
    }
}

int main(int n_arguments, char **arguments) {
    elf_firmware_t firmware;
    avr_t *avr;
    if (n_arguments != 8) return 2;
    answers = fdopen(dup(STDOUT_FILENO), "wb"); /* the library itself prints to standard output */
    dup2(STDERR_FILENO, STDOUT_FILENO);
    memset(&firmware, 0, sizeof firmware);
    if (elf_read_firmware(arguments[1], &firmware)) return 2;
    snprintf(firmware.mmcu, sizeof firmware.mmcu, "%s", arguments[2]);
    firmware.frequency = 16000000;
    for (int part = 0; part < 2; ++part) {
        address[part] = (unsigned)strtoul(arguments[4 + 2 * part], NULL, 0) & 0xffff;
        size[part] = (unsigned)strtoul(arguments[5 + 2 * part], NULL, 0);
    }
    end = (unsigned)strtoul(arguments[3], NULL, 0) & 0xffff;
    avr = avr_make_mcu_by_name(firmware.mmcu);
    if (!avr || avr_init(avr)) return 3;
    avr->log = 0;
    avr_load_firmware(avr, &firmware);
    avr_register_io_write(avr, GENERAL_PURPOSE_0, told, NULL);
    while (!over) {
        const unsigned code = (avr->flash[avr->pc] | (avr->flash[avr->pc + 1] << 8)) & WITHOUT_REGISTER;
        int state = avr_run(avr);
        if (code == OUT_HIGH || code == OUT_LOW) half_written = code == OUT_HIGH;
        if (counting && !half_written && stack_pointer(avr) < lowest) lowest = stack_pointer(avr);
        if (counting && lowest < end) { /* it would overwrite the variables, and crash or answer nonsense */
            fprintf(stderr, "what the stack needs besides the variables is too large for the RAM\n");
            return 7;
        }
        if (state == cpu_Done || state == cpu_Crashed) return 4;
        if (counting && avr->cycle - began > LONGEST) return 5;
    }
    return fclose(answers) ? 6 : 0;
}
